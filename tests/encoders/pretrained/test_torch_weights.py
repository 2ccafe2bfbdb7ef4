import io
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from latentlab.encoders.pretrained.torch_weights import read_tensors
from latentlab.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True}
NUMBERS = np.arange(6, dtype="<f4")
STORED = NUMBERS.tobytes()


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def several(*items):
    return b"(" + b"".join(items) + b"t"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, count=6, kind="FloatStorage"):
    key = several(text("storage"), name("torch", kind), text("0"), text("cpu"), whole(count))
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = (
        key + b"Q",
        whole(offset),
        several(*map(whole, shape)),
        several(*map(whole, strides)),
        b"\x89",
        hooks,
    )
    return name("torch._utils", "_rebuild_tensor_v2") + several(*arguments) + b"R"


def dictionary(*items):
    return b"\x80\x02}(" + b"".join(items) + b"u."


def of_tensor(value=None):
    return dictionary(text("w"), tensor() if value is None else value)


def archive(pickled, numbers=STORED, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr("net/data.pkl", pickled)
        file.writestr("net/byteorder", "little")
        file.writestr("net/data/0", numbers)
        file.writestr("net/version", "3\n")
    return stream.getvalue()


def row_of_pickles(pickled, numbers=STORED, count=6, keys=("0",), system=SYSTEM):
    leading = [pickle.dumps(value, 2) for value in (MAGIC, 1001, system)]
    parts = [*leading, pickled, pickle.dumps(list(keys), 2), struct.pack("<q", count), numbers]
    return b"".join(parts)


@pytest.mark.parametrize("form", [archive, row_of_pickles])
def test_both_formats_give_the_tensors(form):
    tensors = read_tensors(form(of_tensor()), "net.pth")
    assert list(tensors) == ["w"]
    assert tensors["w"].dtype == np.float32
    np.testing.assert_array_equal(tensors["w"], NUMBERS.reshape(2, 3))
    assert not tensors["w"].flags.writeable


@pytest.mark.parametrize("form", [archive, row_of_pickles])
def test_a_tensor_may_be_a_part_of_its_numbers_and_turned(form):
    turned = tensor(shape=(2, 2), strides=(1, 3), offset=1)
    tensors = read_tensors(form(of_tensor(turned)), "net.pth")
    np.testing.assert_array_equal(tensors["w"], NUMBERS.reshape(2, 3)[:, 1:].T)


def test_a_number_alone_and_nothing_at_all_are_tensors():
    items = (text("a"), tensor((), (), 5), text("b"), tensor((0, 4), (4, 1)))
    tensors = read_tensors(archive(dictionary(*items)), "net.pth")
    assert tensors["a"] == 5
    assert tensors["b"].shape == (0, 4)


def test_other_kinds_of_numbers():
    content = archive(
        of_tensor(tensor((3,), (1,), 0, 3, "HalfStorage")), np.ones(3, "<f2").tobytes()
    )
    assert read_tensors(content, "net.pth")["w"].dtype == np.float16


def test_parameters_and_the_state_of_a_dictionary_are_read():
    parameter = name("torch._utils", "_rebuild_parameter") + several(tensor(), b"\x88") + b"R"
    named = b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + text("w") + parameter
    state = b"u}" + text("_metadata") + b"}sb."
    assert read_tensors(archive(named + state), "net.pth")["w"].shape == (2, 3)


HOSTILE = {
    "os.system": b"\x80\x02" + name("os", "system") + several(text("true")) + b"R.",
    "builtins.eval": b"\x80\x02" + name("builtins", "eval") + several(text("1")) + b"R.",
    "instruction INST": b"\x80\x02(" + text("true") + b"ios\nsystem\n.",
    "instruction STACK_GLOBAL": b"\x80\x04" + text("os") + text("system") + b"\x93.",
    "torch.TypedStorage": b"\x80\x02" + name("torch", "TypedStorage") + b".",
    "state of a function": b"\x80\x02" + name("torch._utils", "_rebuild_tensor_v2") + b"}b.",
    "state of a tensor": of_tensor(tensor() + b"}b"),
    "calls a type": b"\x80\x02" + name("torch", "FloatStorage") + b")R.",
    "memo is too large": b"\x80\x02}r\xff\xff\xff\xff.",
    "no dictionary": b"\x80\x02].",
    "no tensor": dictionary(text("w"), whole(3)),
    "unknown way": dictionary(text("w"), text("elsewhere") + b"Q"),
    "larger than its numbers": of_tensor(tensor((2, 4), (4, 1))),
    "number of strides": of_tensor(tensor((2, 3), (3,))),
    "from 0": of_tensor(tensor((2, -3), (3, 1))),
    "too many dimensions": of_tensor(tensor((1,) * 9, (1,) * 9)),
    "another length": of_tensor(tensor(count=7)),
}


@pytest.mark.parametrize("reason", HOSTILE)
@pytest.mark.parametrize("form", [archive, row_of_pickles])
def test_hostile_and_wrong_files_get_one_line(form, reason):
    with pytest.raises(DataError) as caught:
        read_tensors(form(HOSTILE[reason]), "net.pth")
    assert reason in str(caught.value)
    assert "net.pth is refused" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape_and_strides",
    [((1 << 40,), (0,)), ((1 << 31, 1 << 31), (0, 0)), ((1, 1), (1 << 62, 1 << 62))],
)
def test_a_tensor_takes_no_more_memory_than_its_numbers(shape_and_strides):
    with pytest.raises(DataError):
        read_tensors(archive(of_tensor(tensor(*shape_and_strides))), "net.pth")


def test_packed_numbers_and_those_that_are_missing_are_refused():
    packed = archive(of_tensor(), bytes(24), zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="packed"):
        read_tensors(packed, "net.pth")
    with pytest.raises(DataError, match="are missing"):
        read_tensors(row_of_pickles(of_tensor(), keys=()), "net.pth")
    with pytest.raises(DataError, match="no tensor has its numbers 1"):
        read_tensors(row_of_pickles(of_tensor(), keys=("1",)), "net.pth")


def test_numbers_of_another_machine_or_length_are_refused():
    with pytest.raises(DataError, match="unknown order"):
        read_tensors(row_of_pickles(of_tensor(), system={"little_endian": False}), "net.pth")
    with pytest.raises(DataError, match="another length"):
        read_tensors(row_of_pickles(of_tensor(), count=1 << 60), "net.pth")


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04", b"no such thing", bytes(1000)])
def test_what_is_no_such_file_is_refused(content):
    with pytest.raises(DataError, match="is refused as a file of PyTorch tensors"):
        read_tensors(content, "net.pth")


@pytest.mark.parametrize("form", [archive, row_of_pickles])
def test_damaged_files_give_tensors_or_one_line(form):
    whole_file = form(of_tensor())
    chance = random.Random(0)
    for _ in range(400):
        content = bytearray(whole_file[: chance.randrange(len(whole_file) + 1)] or whole_file)
        for _ in range(chance.randrange(4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            tensors = read_tensors(bytes(content), "net.pth")
        except DataError:
            continue
        assert all(isinstance(value, np.ndarray) for value in tensors.values())
