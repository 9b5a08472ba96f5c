"""The cases in tinygrad: its layers and optimizer, the whole step under TinyJit."""

from tinygrad import Tensor, TinyJit, nn
from tinygrad.helpers import Context

from .rivals import (
    ENCODER_SHAPES,
    chain_inputs,
    labels,
    normal,
    resnet18_blocks,
    resnet18_shapes,
    weights,
)


def given(layer, weight):
    """`layer` with that weight, and no bias where it has one."""
    layer.weight = Tensor(weight).contiguous().realize()
    if getattr(layer, "bias", None) is not None:
        layer.bias = Tensor.zeros(len(weight)).contiguous().realize()
    return layer


def training(model, loss_of):
    """A step of SGD with momentum: forward, backward and update in one captured function."""
    optimizer = nn.optim.SGD(nn.state.get_parameters(model), lr=1e-3, momentum=0.9)

    @TinyJit
    def update():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    def step():
        with Context(TRAINING=1):
            return float(update().numpy())

    return step


def chain(*shape):
    # By way of one dimension: a Tensor made of a single number would be a constant, and all be folded.
    x, a, b = (Tensor(values.ravel()).realize().reshape(shape) for values in chain_inputs(*shape))

    @TinyJit
    def gradient():
        y = x
        for _ in range(20):
            y = (y * a + b).tanh()
            y = (y - a).sigmoid()
        return [g.realize() for g in y.sum().gradient(x, a, b)]

    return lambda: float(gradient()[1].numpy().sum())


def mlp():
    x, y = Tensor(normal(1, 32, 64)).realize(), Tensor(labels(32, 10)).realize()
    first, second = weights((128, 64), (10, 128))
    layers = [given(nn.Linear(64, 128), first), given(nn.Linear(128, 10), second)]

    def loss():
        return layers[1](layers[0](x).relu()).sparse_categorical_crossentropy(y)

    return training(layers, loss)


def transformer():
    x = Tensor(normal(1, 8, 128, 256)).realize()
    qkv, out, up, down = (given(nn.Linear(w.shape[1], w.shape[0]), w) for w in weights(*ENCODER_SHAPES))
    norms = nn.LayerNorm(256), nn.LayerNorm(256)

    def loss():
        q, k, v = (t.reshape(8, 128, 8, 32).transpose(1, 2) for t in qkv(x).chunk(3, -1))
        heads = q.scaled_dot_product_attention(k, v).transpose(1, 2).reshape(8, 128, 256)
        y = norms[0](x + out(heads))
        y = norms[1](y + down(up(y).relu()))
        return (y * y).mean()

    return training([qkv, out, up, down, *norms], loss)


class Block:
    """Two convolutions and the input beside them, through one of its own where shapes differ."""

    def __init__(self, channels, width, stride, drawn):
        self.conv1 = given(nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), next(drawn))
        self.conv2 = given(nn.Conv2d(width, width, 3, padding=1, bias=False), next(drawn))
        self.bn1, self.bn2 = nn.BatchNorm(width), nn.BatchNorm(width)
        self.down = []
        if channels != width:
            conv = given(nn.Conv2d(channels, width, 1, stride, bias=False), next(drawn))
            self.down = [conv, nn.BatchNorm(width)]

    def __call__(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (out + x.sequential(self.down)).relu()


class ResNet18:
    def __init__(self):
        drawn = iter(weights(*resnet18_shapes()))
        self.conv1 = given(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), next(drawn))
        self.bn1 = nn.BatchNorm(64)
        self.blocks = [Block(*shape, drawn) for shape in resnet18_blocks()]
        self.fc = given(nn.Linear(512, 1000), next(drawn))

    def __call__(self, x):
        x = self.bn1(self.conv1(x)).relu().max_pool2d(3, 2, padding=1)
        return self.fc(x.sequential(self.blocks).mean((2, 3)))


def resnet(count, size, train=True):
    model, images = ResNet18(), Tensor(normal(1, count, 3, size, size)).realize()
    y = Tensor(labels(count, 1000)).realize()
    if train:
        return training(model, lambda: model(images).sparse_categorical_crossentropy(y))
    network = TinyJit(lambda: model(images).realize())
    return lambda: float(network()[0, 0].numpy())
