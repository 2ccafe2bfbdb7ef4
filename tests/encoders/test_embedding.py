"""Tables of embeddings, and how their writing resumes."""

import pyarrow.parquet as pq

from latentlab import pipeline


def test_embeddings_are_readable_parquet_of_id_split_code(finished_run):
    table = pq.read_table(finished_run.path / "embeddings" / "part-00000.parquet")
    assert table.column_names == ["id", "split", "code"]
    assert table["code"].type.list_size == 4 * 4 * 4


def test_embedding_resumes_with_the_missing_part_only(finished_run, tmp_path, monkeypatch):
    from latentlab.encoders import embedding, model_files

    monkeypatch.setattr(embedding, "SHARD", 50)
    images = pipeline.open_run_images(finished_run)
    encoder = model_files.load(finished_run)
    parts = embedding.Embeddings(tmp_path).write(encoder, images)
    assert [path.name for path in parts] == [f"part-{i:05d}.parquet" for i in range(4)]
    before = [path.read_bytes() for path in parts]
    parts[1].unlink()
    parts[2].write_bytes(before[2][:100])
    times = {i: parts[i].stat().st_mtime_ns for i in (0, 3)}
    embedding.Embeddings(tmp_path).write(encoder, images)
    assert [path.read_bytes() for path in parts] == before
    assert {i: parts[i].stat().st_mtime_ns for i in (0, 3)} == times
