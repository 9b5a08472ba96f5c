"""The tour, as a newcomer meets it."""

import io
import re

import pytest
import torch
from PIL import Image

import retrograd
from oracle import torchvision
from retrograd import hub, tour

SECTIONS = [
    "1. A network", "2. A prediction", "3. One step of training", "4. Derivatives of Q = 3a^3 - b^2",
    "5. A vector-Jacobian product: v^T J, and J is never formed", "6. The graph that backward walks",
    "7. The network frozen, a new last layer trained",
]  # fmt: skip


def walk(**options):
    out = io.StringIO()
    status = tour.tour(out=out, **options)
    return status, out.getvalue()


@pytest.fixture(scope="module")
def shown():
    """The tour with random weights, on the photo that scikit-learn brings."""
    status, text = walk(weights="none")
    assert status == 0
    return text


def after(text, heading):
    """What is printed in one section."""
    return text.partition(heading)[2].partition("\n\n")[0]


def test_the_sections_in_order_on_lines_of_80_columns(shown):
    assert [line for line in shown.splitlines() if re.match(r"\d\. ", line)] == SECTIONS
    assert max(map(len, shown.splitlines())) <= 80
    assert "\33" not in shown, "colours, and the output is no terminal"


def test_the_prediction_is_on_a_real_photo(shown):
    section = after(shown, SECTIONS[1])
    assert "photo: china.jpg, of scikit-learn's samples, 640 x 427" in section
    probabilities = [float(p) for p in re.findall(r"^ +([\d.]+)%  \S", section, re.M)]
    assert len(probabilities) == 5 and probabilities == sorted(probabilities, reverse=True)
    assert "(chance: the weights are random)" in section


def test_the_training_step_has_times_losses_and_gradient_norms(shown):
    section = after(shown, SECTIONS[2])
    for line in ("loss = (model(batch) - labels).sum()", "loss.backward()", "optim.step()"):
        assert re.search(rf">>> {re.escape(line)} +\d+ ms$", section, re.M)
    before, later = re.search(r"loss before the step (\S+), after it (\S+)", section).groups()
    assert float(later) < float(before)
    norms = dict(re.findall(r"^ +(\w+) +([\d.e+-]+)  #+$", section, re.M))
    assert list(norms) == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]


def test_the_derivatives_are_checked(shown):
    section = after(shown, SECTIONS[3])
    assert "a.grad = [36.0, 81.0]  equals 9a^2 by hand" in section
    assert "b.grad = [-12.0, -8.0]  equals -2b by hand" in section
    assert "x.grad = [4.0, -2.0, -8.0]  equals v^T J by hand" in after(shown, SECTIONS[4])


def test_a_wrong_gradient_ends_the_tour(monkeypatch, capsys):
    wrong = tour.Tour(None, "none", 0, io.StringIO())
    wrong.names["a"] = retrograd.ones(1)
    with pytest.raises(tour.TourError, match="a is .* where 2b is .* please report"):
        wrong.check("a", "2b", retrograd.zeros(1))


def test_the_graph_is_drawn(shown):
    assert "├─ [1] TanhBackward0 (1, 4)" in after(shown, SECTIONS[5])


def test_fine_tuning_moves_the_last_layer_only(shown):
    section = after(shown, SECTIONS[6])
    losses = [float(v) for v in re.findall(r"loss (\S+)", section)]
    assert len(losses) == 3 and losses == sorted(losses, reverse=True)
    assert "of 62 parameters these have moved: fc.weight, fc.bias" in section


def test_the_seed_repeats_it(shown):
    def figures(text):
        return re.sub(r" *\d+ ms$", "", text, flags=re.M)

    assert figures(walk(weights="none")[1]) == figures(shown)
    assert figures(walk(weights="none", seed=1)[1]) != figures(shown)


def test_a_checkpoint_and_a_photo_of_the_users(tmp_path):
    torch.manual_seed(3)
    model = torchvision().models.resnet18().eval()
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    picture = Image.effect_noise((300, 260), 80).convert("RGB")
    picture.save(tmp_path / "mine.png")
    status, text = walk(weights=str(tmp_path / "mine.pth"), image=str(tmp_path / "mine.png"))
    assert status == 0 and "photo: mine.png, 300 x 260" in text
    assert "chance" not in text
    transform = torchvision().models.ResNet18_Weights.DEFAULT.transforms()
    with torch.no_grad():
        best = model(transform(picture).unsqueeze(0))[0].softmax(0).topk(5)
    categories = torchvision().models.ResNet18_Weights.DEFAULT.meta["categories"]
    expected = [(f"{p:.1%}", categories[i]) for p, i in zip(*(t.tolist() for t in best), strict=True)]
    assert re.findall(r"^ +([\d.]+%)  (.+)$", text, re.M) == expected


def test_without_a_network_it_says_so_and_goes_on(monkeypatch, tmp_path):
    asked = []

    def offline(url, *args, **kwargs):
        asked.append(url)
        raise OSError("no network; place the file at /somewhere/resnet18.pth")

    monkeypatch.setattr(hub, "load_state_dict_from_url", offline)
    status, text = walk()
    assert status == 0 and len(asked) == 1
    assert "The pretrained weights can't be had: no network; place the file at" in text
    assert "goes on with random weights" in text
    assert [line for line in text.splitlines() if re.match(r"\d\. ", line)] == SECTIONS


def test_a_name_that_cannot_be_found_costs_no_wait(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    attempts = []

    def unknown(host, *args, **kwargs):
        attempts.append(host)
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits before it gives up"))
    network = tour.Tour(None, "DEFAULT", 0, io.StringIO())
    network.build_network()
    assert len(attempts) == 1
    text = network.out.getvalue()
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in text
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "No such file or directory"),
        (b"not a photo", "not an image that Pillow knows"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not an image that Pillow knows|Truncated|truncated"),
    ],
)
def test_a_bad_photo_is_one_clear_line_before_anything_else(tmp_path, capsys, content, reason):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    status, text = walk(image=str(path))
    assert status == 1 and text == ""
    pattern = rf"tour: --image {re.escape(str(path))}: ({reason}).*; give a JPEG or PNG file \[RG\d+\]\n"
    assert re.fullmatch(pattern, capsys.readouterr().err)


def test_a_photo_cut_short_is_one_clear_line(tmp_path, capsys):
    whole = io.BytesIO()
    Image.effect_noise((200, 200), 80).convert("RGB").save(whole, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:2000])
    assert walk(image=str(tmp_path / "cut.jpg"))[0] == 1
    assert re.fullmatch(r"tour: --image \S+: .*truncated.*\n", capsys.readouterr().err)


def test_unknown_weights_are_one_clear_line(capsys):
    assert walk(weights="IMAGENET1K_V9") == (1, "")
    error = capsys.readouterr().err
    assert "no weights named 'IMAGENET1K_V9'" in error and error.count("\n") == 1


def test_a_file_of_other_weights_is_explained(tmp_path, capsys):
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "other.pth")
    assert walk(weights=str(tmp_path / "other.pth"))[0] == 1
    assert "Missing key(s) in state_dict" in capsys.readouterr().err
    (tmp_path / "junk.pth").write_bytes(b"junk")
    assert walk(weights=str(tmp_path / "junk.pth"))[0] == 1
    assert "tour: --weights" in capsys.readouterr().err


def test_without_any_photo_waves_are_computed(monkeypatch):
    monkeypatch.setattr(tour, "sample_photo", lambda: None)
    status, text = walk(weights="none")
    assert status == 0 and "no photo given (--image FILE): a picture of waves, computed" in text
    picture = tour.waves(32)
    assert picture.shape == (3, 32, 32) and picture.dtype == retrograd.uint8


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_on_a_terminal_unless_NO_COLOR(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert tour.has_colours(Terminal()) and not tour.has_colours(io.StringIO())
    coloured = tour.Tour(None, "none", 0, Terminal())
    coloured.section("Title")
    coloured.code("x = 1")
    # On a busy machine even this line may take long enough for a time to be shown.
    text = re.sub("\33\\[2m +[0-9]+ ms\33\\[0m", "", coloured.out.getvalue())
    assert text == "\n\33[1m1. Title\33[0m\n\33[36m   >>> x = 1\33[0m\n"
    for variable, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(variable, value)
            assert not tour.has_colours(Terminal())
