"""What is broken, hostile or no encoder of pictures gets one clear line."""

import os

import numpy as np
import pytest
from helpers import onnx_models as made
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper

from latentlab.encoders.pretrained import onnx_files
from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_files import open_onnx
from latentlab.errors import DataError

WEIGHTS = made.weights(6, 3, 4, 4).tobytes()


def refusal(path):
    """Return the line with which a file is refused."""
    with pytest.raises(DataError) as caught:
        open_onnx(path, EncoderSettings())
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert "`encoder=" in line
    return line


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, bytes(range(256)), b"\x08\x07"])
def test_what_is_no_onnx_file(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert "is broken or no ONNX file" in refusal(path)


def test_every_truncated_file_is_refused(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")
    whole = path.read_bytes()
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        refusal(path)


def test_folders_and_missing_files(tmp_path):
    assert "is not a file" in refusal(tmp_path)
    assert "cannot be read: No such file" in refusal(tmp_path / "net.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "is not a file" in refusal(tmp_path / "pipe.onnx")


def test_bytes_that_look_like_another_format_are_read_as_onnx(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")
    # ONNX Runtime takes "ORTM" at this place for its own format; here an unknown field holds it.
    path.write_bytes(b"\xa2\x06\x05\x00ORTM" + path.read_bytes())
    assert open_onnx(path, EncoderSettings()).card.output == "features"


@pytest.mark.parametrize(
    ("domain", "operator"), [("ai.onnx.contrib", "PyOp"), ("evil\n\x1b[2J", "Run")]
)
def test_custom_operators(tmp_path, domain, operator):
    def use(model):
        model.opset_import.add(domain=domain, version=1)
        model.graph.node[0].domain, model.graph.node[0].op_type = domain, operator

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), use)
    assert f"{operator}, which latentlab does not load" in refusal(path)


def test_custom_operators_in_a_branch(tmp_path):
    def use(model):
        inner = helper.make_graph(
            [helper.make_node("Run", [], ["z"], domain="evil")], "inner", [], [made.value("z", [1])]
        )
        node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), use)
    assert "custom operator evil::Run" in refusal(path)


def test_operators_newer_than_the_package(tmp_path):
    def raise_version(model):
        model.opset_import[0].version = 900

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), raise_version)
    assert "was written for a newer ONNX: operators 900" in refusal(path)


def absolute(folder):
    return str(folder / "secret")


def above(folder):
    return "../secret"


def hidden_above(folder):
    (folder / "models" / "sub").mkdir()
    return "sub/../../secret"


def by_link(folder):
    (folder / "models" / "data").symlink_to("../secret")
    return "data"


def by_linked_folder(folder):
    (folder / "models" / "data").symlink_to("..")
    return "data/secret"


def windows(folder):
    return "..\\secret"


def drive(folder):
    return "C:secret"


def nameless(folder):
    return ""


@pytest.mark.parametrize(
    "place",
    [absolute, above, hidden_above, by_link, by_linked_folder, windows, drive, nameless],
)
def test_data_outside_the_folder_is_not_read(tmp_path, place):
    (tmp_path / "models").mkdir()
    (tmp_path / "secret").write_bytes(WEIGHTS)
    path = made.external_model(tmp_path / "models" / "net.onnx", place(tmp_path))
    assert "external data outside its folder" in refusal(path)


def test_a_second_name_of_a_file_elsewhere_is_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(WEIGHTS)
    (tmp_path / "models").mkdir()
    os.link(tmp_path / "secret", tmp_path / "models" / "data")
    path = made.external_model(tmp_path / "models" / "net.onnx", "data")
    assert "no plain file, or has several names" in refusal(path)


@pytest.mark.parametrize("name", [b"pixel_values", b"features", b"Gemm"])
def test_names_that_are_no_text(tmp_path, name, capfd):
    path = made.classifier(tmp_path / "net.onnx", features="features")
    path.write_bytes(path.read_bytes().replace(name, b"\xff\xfe" + name[2:]))
    refusal(path)
    assert capfd.readouterr() == ("", "")


def constant(model, tensor):
    model.graph.node.insert(0, helper.make_node("Constant", [], ["more"], value=tensor))


def listed(model, tensor):
    node = helper.make_node("Constant", [], ["more"])
    node.attribute.add(name="values", type=AttributeProto.TENSORS).tensors.append(tensor)
    model.graph.node.insert(0, node)


def in_training(model, tensor):
    model.training_info.add().algorithm.initializer.append(tensor)


def in_function(model, tensor):
    function = model.functions.add(name="f", domain="mine")
    function.node.append(helper.make_node("Constant", [], ["more"], value=tensor))


@pytest.mark.parametrize("add", [constant, listed, in_training, in_function])
def test_data_elsewhere_is_seen_wherever_it_is_named(tmp_path, add):
    tensor = made.external("more", "/etc/hostname", shape=[1])
    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), lambda model: add(model, tensor))
    assert "external data outside its folder (/etc/hostname)" in refusal(path)


def test_sparse_weights(tmp_path):
    def add(model):
        sparse = SparseTensorProto(dims=[1 << 40])
        sparse.values.CopyFrom(made.external("v", "*/_ORT_MEM_ADDR_/*", shape=[1]))
        model.graph.sparse_initializer.append(sparse)

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), add)
    assert "holds sparse weights" in refusal(path)


@pytest.mark.parametrize("location", ["*/_ORT_MEM_ADDR_/*", "weights.bin"])
def test_data_that_is_not_there(tmp_path, location):
    path = made.external_model(tmp_path / "net.onnx", location)
    assert "lacks its external data" in refusal(path)


@pytest.mark.parametrize(
    "more",
    [
        {"offset": 4},
        {"offset": -1},
        {"length": 1 << 40},
        {"length": "1e3"},
        {"offset": "9" * 30},
    ],
)
def test_data_that_is_too_short(tmp_path, more):
    (tmp_path / "data").write_bytes(WEIGHTS)
    path = made.external_model(tmp_path / "net.onnx", "data", **more)
    assert "expects more external data than data holds" in refusal(path)


@pytest.mark.parametrize("shape", [[1 << 20, 1 << 20], [1 << 62, 1 << 62], [-1, -1], [7, 3, 4, 4]])
def test_a_tensor_that_declares_more_than_it_holds(tmp_path, shape):
    def inflate(model):
        model.graph.initializer[0].dims[:] = shape

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), inflate)
    assert "the tensor w declares more numbers than it holds" in refusal(path)


def test_a_model_that_is_too_large(tmp_path):
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    assert "is too large" in refusal(path)


def texts(path):
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["features"])]
    inputs = [made.value("input_ids", ["n", "t"], TensorProto.INT64)]
    return made.save(
        path, nodes, inputs, [made.value("features", ["n", "t", 4])], {"table": made.weights(9, 4)}
    )


def pictures_and_texts(path):
    def add(model):
        model.graph.input.append(made.value("input_ids", ["n", "t"], TensorProto.INT64))

    return made.edited(made.nchw_model(path), add)


def with_shape(*shape, kind=TensorProto.FLOAT):
    def write(path):
        def change(model):
            model.graph.input[0].CopyFrom(made.value("pixel_values", shape, kind))

        return made.edited(made.nchw_model(path), change)

    return write


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (texts, "takes no pictures: none of its inputs has 4 axes"),
        (pictures_and_texts, "takes more than pictures"),
        (with_shape("n", 4, 16, 16), "takes no pictures of 3 or 1 channels"),
        (with_shape("n", 3, 16, 24), "takes pictures that are not square"),
        (with_shape("n", 3, 90000, 90000), "takes pictures of 90,000 pixels, at most 4,096"),
        (with_shape("n", 3, 16, 16, kind=TensorProto.INT64), "in a type that latentlab does not"),
        (with_shape("n", 3, 3, 3), "fails on a picture of 3 pixels|cannot be loaded"),
    ],
)
def test_what_is_no_encoder_of_pictures(tmp_path, write, line):
    import re

    assert re.search(line, refusal(write(tmp_path / "net.onnx")))


def test_outputs_that_belong_to_no_picture(tmp_path):
    def sum_up(model):
        model.graph.node.append(helper.make_node("ReduceSum", ["features"], ["s"], keepdims=0))
        del model.graph.output[:]
        model.graph.output.append(made.value("s", []))

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), sum_up)
    assert "has no output with a vector, tokens or a map for each picture" in refusal(path)


def test_a_network_that_onnx_runtime_refuses(tmp_path):
    def miss(model):
        model.graph.node[0].input[1] = "nothing"

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), miss)
    line = refusal(path)
    assert "cannot be loaded: ONNX Runtime" in line
    assert "nothing" in line


def test_a_loop_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_files, "LONGEST_TRY", 0.5)

    def add(model):
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go"], ["on"]),
                helper.make_node("Identity", ["features"], ["more"]),
            ],
            "body",
            [
                made.value("step", [], TensorProto.INT64),
                made.value("go", [], TensorProto.BOOL),
                made.value("state", ["n", 6]),
            ],
            [made.value("on", [], TensorProto.BOOL), made.value("more", ["n", 6])],
        )
        loop = helper.make_node("Loop", ["times", "true", "features"], ["last"], body=body)
        model.graph.node.append(loop)
        model.graph.initializer.append(made.tensor("times", np.int64(1 << 62)))
        model.graph.initializer.append(made.tensor("true", np.bool_(True)))
        del model.graph.output[:]
        model.graph.output.append(made.value("last", ["n", 6]))

    path = made.edited(made.nchw_model(tmp_path / "net.onnx"), add)
    assert "stopped after 0.5 seconds" in refusal(path)


def test_random_damage_never_ends_in_a_traceback(tmp_path):
    path = made.token_model(tmp_path / "net.onnx")
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            open_onnx(path, EncoderSettings())
        except DataError as error:
            assert str(error).isprintable()  # noqa: PT017  # most damage is in the weights
