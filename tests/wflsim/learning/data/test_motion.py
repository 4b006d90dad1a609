"""Motion sets: small files in the publishers' formats, their quirks, and the real files' statistics."""

import io
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wflsim.errors import UserError
from wflsim.learning.data import uci_har, wisdm
from wflsim.learning.data.uci_har import CHANNELS, DEVIATION, MEAN, UciHar
from wflsim.learning.data.wisdm import Wisdm, WisdmRaw
from wflsim.learning.testing import check_data

RNG = np.random.default_rng(6)


@pytest.fixture
def windows():
    """Return windows (N, 9, 128), labels from 1 and subjects of the two parts."""
    return {
        part: (RNG.normal(size=(count, 9, 128)), np.arange(count) % 6 + 1, np.full(count, subject))
        for part, count, subject in (("train", 12, 5), ("test", 6, 9))
    }


def texts(windows):
    """Return the publisher's text files."""
    files = {}
    for part, (signal, labels, subjects) in windows.items():
        for channel, name in enumerate(CHANNELS):
            lines = ["  " + " ".join(f"{v: .7e}" for v in row) for row in signal[:, channel]]
            files[f"{part}/Inertial Signals/{name}_{part}.txt"] = "\n".join([*lines, ""]).encode()
        for name, values in (("y", labels), ("subject", subjects)):
            files[f"{part}/{name}_{part}.txt"] = "\n".join([*map(str, values), ""]).encode()
    return files


def archive(contents):
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return kept.getvalue()


def npz(**arrays):
    kept = io.BytesIO()
    np.savez(kept, **arrays)
    return kept.getvalue()


def arrays(windows):
    return {
        f"{part}/inertial_{part}.npz": npz(
            X=signal.transpose(0, 2, 1).astype(np.float32),
            y=labels.astype(np.uint8),
            subject=subjects.astype(np.uint8),
        )
        for part, (signal, labels, subjects) in windows.items()
    }


def zipped(windows):
    folder = "UCI HAR Dataset"
    junk = {f"__MACOSX/{folder}/train/._y_train.txt": b"junk"}
    return archive({f"{folder}/{name}": text for name, text in texts(windows).items()} | junk)


@pytest.mark.parametrize("form", ["texts", "inner", "beside", "arrays", "zip", "zip in zip"])
def test_every_form_of_uci_har_gives_the_same(put, unsigned, windows, form):
    unsigned(uci_har, "UCI_HAR", samples=18)
    folder, contents = {
        "texts": lambda: ("uci-har", texts(windows)),
        "inner": lambda: ("uci-har/UCI HAR Dataset", texts(windows)),
        "beside": lambda: ("UCI HAR Dataset", texts(windows)),
        "arrays": lambda: ("uci-har", arrays(windows)),
        "zip": lambda: ("uci-har", {"UCI HAR Dataset.zip": zipped(windows)}),
        "zip in zip": lambda: (
            "uci-har",
            {"human+activity+recognition+using+smartphones.zip":
                archive({"UCI HAR Dataset.names": b"", "UCI HAR Dataset.zip": zipped(windows)})},
        ),
    }[form]()  # fmt: skip
    put(folder, contents)
    loaded, every = UciHar().load(), UciHar(use="all").load()
    signal = np.concatenate([found for found, _, _ in windows.values()])
    expected = (signal - np.array(MEAN)[:, None]) / np.array(DEVIATION)[:, None]
    assert_allclose(loaded.inputs, expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(loaded.labels, np.arange(18) % 6)
    assert np.array_equal(loaded.users, [5] * 12 + [9] * 6)
    assert (loaded.held_out, every.held_out) == (6, 0)
    assert np.array_equal(loaded.inputs, every.inputs)
    check_data(UciHar())


@pytest.mark.parametrize(
    "case",
    [
        ("train/Inertial Signals/body_gyro_y_train.txt", lambda c: c.replace(b"e", b"?", 1), "no table"),
        ("train/Inertial Signals/body_gyro_y_train.txt", lambda c: c[:-20], "no table"),
        ("train/Inertial Signals/body_gyro_y_train.txt", lambda c: c[c.index(b"\n") + 1 :], "different numbers of windows"),
        ("test/y_test.txt", lambda c: c[:-2], "for 5 labels"),
        ("test/subject_test.txt", lambda c: c + b"9\n", "7 subjects"),
        ("test/y_test.txt", lambda c: b"7" + c[1:], "beyond 1 … 6"),
        ("train/Inertial Signals/total_acc_x_train.txt", lambda c: b"nan" + c[16:], "none"),
    ],
)  # fmt: skip
def test_texts_that_do_not_fit_each_other_are_refused(put, unsigned, windows, case):
    name, change, why = case
    unsigned(uci_har, "UCI_HAR", samples=18)
    files = texts(windows)
    put("uci-har", files | {name: change(files[name])})
    with pytest.raises(UserError, match=why):
        UciHar().load()


def test_whole_windows_that_are_missing_are_noticed(put, unsigned, windows):
    unsigned(uci_har, "UCI_HAR", samples=19)
    put("uci-har", texts(windows))
    with pytest.raises(UserError, match="has not 19 windows"):
        UciHar().load()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"nothing", "no plain arrays"),
        (npz(X=np.zeros((1, 128, 9))), "no plain arrays X, y and subject"),
        (npz(X=np.zeros((1, 128)), y=np.ones(1), subject=np.ones(1)), "its X has the shape"),
        (npz(X=np.array([None]), y=np.ones(1), subject=np.ones(1)), "object arrays are not read"),
    ],
)
def test_arrays_that_are_others_are_refused(put, unsigned, windows, content, why):
    unsigned(uci_har, "UCI_HAR", samples=18)
    put("uci-har", arrays(windows) | {"test/inertial_test.npz": content})
    with pytest.raises(UserError, match=why):
        UciHar().load()


def test_damaged_arrays_are_refused(put, unsigned, windows):
    unsigned(uci_har, "UCI_HAR", samples=18)
    kept = io.BytesIO()
    np.savez_compressed(kept, X=RNG.normal(size=(6, 128, 9)), y=np.ones(6), subject=np.ones(6))
    damaged = bytearray(kept.getvalue())
    damaged[60:70] = b"\xff" * 10  # within the first compressed array
    put("uci-har", arrays(windows) | {"test/inertial_test.npz": bytes(damaged)})
    with pytest.raises(UserError, match=r"inertial_test.npz cannot be used, .* \(Error -3"):
        UciHar().load()


def test_the_real_windows_have_the_statistics_of_the_constants(real):
    loaded = real(UciHar(), uci_har.UCI_HAR)
    train = loaded.inputs[: loaded.count].astype(np.float64)
    assert (loaded.count, loaded.held_out) == (7_352, 2_947)
    assert_allclose(train.mean(axis=(0, 2)), 0.0, atol=1e-5)
    assert_allclose(train.std(axis=(0, 2)), 1.0, atol=1e-5)
    assert np.bincount(loaded.labels).tolist() == [1722, 1544, 1406, 1777, 1906, 1944]
    held_out = set(loaded.users[loaded.count :].tolist())
    assert held_out == {2, 4, 9, 10, 12, 13, 18, 20, 24}
    assert held_out.isdisjoint(loaded.users[: loaded.count].tolist())
    assert set(UciHar(use="all").load().users.tolist()) == set(range(1, 31))
    check_data(UciHar())


HEADER = (
    "@relation activity_recognition_labeled\r\n\r\n"
    '@attribute "UNIQUE_ID" numeric\r\n@attribute "user" {33 , 17}\r\n'
    + "".join(f'@attribute "F{i}" numeric\r\n' for i in range(43))
    + "@attribute class { Walking , Jogging , Upstairs , Downstairs , Sitting , Standing }\r\n\r\n@data\r\n"
)


def table(values, classes=wisdm.ACTIVITIES):
    """Return an ARFF file with a row for each row of values."""
    rows = [
        ",".join([str(i + 1), "33" if i % 2 else "17", *map(str, row), classes[i % len(classes)]])
        for i, row in enumerate(values)
    ]
    return (HEADER + "\r\n".join([*rows, ""])).encode()


@pytest.mark.parametrize("folder", ["wisdm", "wisdm/WISDM_ar_v1.1", "WISDM_ar_v1.1"])
def test_features_are_standardised_and_missing_ones_are_the_mean(put, unsigned, folder):
    unsigned(wisdm, "WISDM", samples=12)
    values = RNG.normal(3.0, 2.0, (12, 43)).round(3)
    values[:, 30] = 0.0
    shown = values.astype(object)
    shown[4, 33] = "?"
    put(folder, {wisdm.TABLE: table(shown)})
    loaded = Wisdm().load()
    values[4, 33] = np.nan
    assert_allclose(np.delete(loaded.inputs.mean(axis=0), 33), 0.0, atol=1e-6)
    assert_allclose(np.delete(loaded.inputs.std(axis=0), [30, 33]), 1.0, atol=1e-6)
    kept = np.delete(values[:, 33], 4)
    assert_allclose(np.delete(loaded.inputs[:, 33], 4), (kept - kept.mean()) / kept.std(), rtol=1e-5)  # fmt: skip
    assert loaded.inputs[4, 33] == 0.0
    assert not loaded.inputs[:, 30].any()
    assert loaded.labels.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert loaded.users.tolist() == [17, 33] * 6
    check_data(Wisdm())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c[: c.rindex(b"12,33")], "has 11 rows and not 12"),
        (lambda c: c[:-14], "rows is none"),
        (lambda c: c.replace(b"Sitting\r", b"Lying\r"), "rows is none"),
        (lambda c: c.replace(b'@attribute "F7" numeric\r\n', b""), "names 45 columns"),
        (lambda c: c.replace(b"@data", b"@date"), "has 0 rows"),
        (lambda c: b"", "names 0 columns"),
    ],
)
def test_tables_that_are_others_or_break_off_are_refused(put, unsigned, change, why):
    unsigned(wisdm, "WISDM", samples=12)
    put("wisdm", {wisdm.TABLE: change(table(RNG.normal(size=(12, 43)).round(2)))})
    with pytest.raises(UserError, match=why):
        Wisdm().load()


def test_the_real_table_is_as_described(real):
    loaded = real(Wisdm(), wisdm.WISDM)
    assert np.bincount(loaded.labels).tolist() == [2081, 1625, 632, 528, 306, 246]
    assert set(loaded.users.tolist()) == set(range(1, 37))
    assert_allclose(loaded.inputs.mean(axis=0, dtype=np.float64), 0.0, atol=1e-5)
    spread = loaded.inputs.std(axis=0, dtype=np.float64)
    assert np.flatnonzero(spread == 0.0).tolist() == [30], "XAVG alone says nothing"
    assert_allclose(np.delete(spread, 30), 1.0, atol=0.05)  # missing values take some of it
    check_data(Wisdm())


def record(user, activity, time, x, end=";\n"):
    return f"{user},{activity},{time},{x},{x + 1},{x + 2}{end}"


def raw(user, activity, count, first=1):
    return "".join(record(user, activity, 1000 + i, first + i) for i in range(count))


def test_windows_lie_within_one_stretch_of_a_user_and_an_activity(put, unsigned):
    unsigned(wisdm, "WISDM_RAW", samples=32)
    text = raw(33, "Jogging", 9) + raw(33, "Walking", 7) + raw(17, "Walking", 4) + raw(33, "Jogging", 3) + raw(2, "Sitting", 9)  # fmt: skip
    put("wisdm", {wisdm.RAW: text.encode()})
    loaded = WisdmRaw(window=4, step=4).load()
    assert loaded.labels.tolist() == [1, 1, 0, 0, 4, 4]
    assert loaded.users.tolist() == [33, 33, 33, 17, 2, 2]
    assert_allclose(loaded.inputs[1], (np.array([[5], [6], [7]]) + np.arange(4)) / 10, rtol=1e-6)
    assert len(WisdmRaw(window=4, step=1).load().labels) == 6 + 4 + 1 + 0 + 6
    with pytest.raises(UserError, match="no user keeps to an activity for 10 records"):
        WisdmRaw(window=10).load()


def test_quirks_of_the_raw_file_cost_the_records_that_are_broken_and_no_others(put, unsigned):
    count = 400
    lines = [record(7, "Upstairs", 1 + i, i) for i in range(count)]
    lines[10] = lines[10].replace(";\n", "\n")  # no semicolon
    lines[20] = lines[20].replace(";\n", ";;\n\n")  # two, and an empty line
    lines[30] = lines[30].replace(";\n", ",;\n")  # a comma before it
    lines[40] = lines[40].replace(";\n", ";")  # two records on a line
    lines[50] = "7,Upstairs,51,50,51,;\n"  # no z
    lines[60] = "7,Upstairs,0,0,0,0;\n"  # no time
    lines[70] = "7,Upst"  # the rest of the line is lost, and so is its neighbour
    lines[80] = lines[80].replace(";\n", ";\r\n")
    unsigned(wisdm, "WISDM_RAW", samples=count)
    put("wisdm", {wisdm.RAW: "".join(lines).encode()})
    loaded = WisdmRaw(window=1, step=1).load()
    seen = (10 * loaded.inputs[:, 0, 0]).round().astype(int).tolist()
    assert seen == [i for i in range(count) if i not in {50, 60, 70, 71}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (raw(1, "Walking", 150) + "1,Walking,1,2;\n" * 2, "2 of its 152 records are none"),
        (raw(1, "Walking", 97), "has 97 records and not 100"),
        ("", "0 of its 0 records"),
        (raw(1, "Walking", 150).replace("Walking", "Swimming"), "150 of its 150 records"),
    ],
)
def test_raw_files_that_are_others_or_break_off_are_refused(put, unsigned, text, why):
    unsigned(wisdm, "WISDM_RAW", samples=100)
    put("wisdm", {wisdm.RAW: text.encode()})
    with pytest.raises(UserError, match=why):
        WisdmRaw(window=2).load()


@pytest.mark.slow
def test_the_real_recordings_are_of_36_users(real):
    loaded = real(WisdmRaw(), wisdm.WISDM_RAW)
    assert set(loaded.users.tolist()) == set(range(1, 37))
    check_data(WisdmRaw())
