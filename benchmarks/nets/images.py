"""Networks for images."""

from ..cases import batch, fill, prepare
from . import labels, training


def vision(name, count, size, **options):
    """A network of torchvision's, classifying; by small steps, as untrained ones multiply errors."""

    def build(library):
        model = prepare(library, getattr(library.models, name)(**options))
        images, target = batch(library, count, 3, size, size), labels(library, 1000, count)
        loss = library.torch.nn.functional.cross_entropy
        return training(library, model, lambda: loss(model(images), target), lr=1e-7, momentum=0.9)

    return build


def inference(name, count, size):
    def build(library):
        model = prepare(library, getattr(library.models, name)()).eval()
        images = batch(library, count, 3, size, size)

        def step(mark):
            with library.torch.no_grad():
                return model(images)[0, 0].item()

        return step

    return build


def vit(library):
    model = library.models.VisionTransformer(
        image_size=64, patch_size=8, num_layers=4, num_heads=6, hidden_dim=192, mlp_dim=768, num_classes=100
    )
    fill(library, model)
    images, target = batch(library, 8, 3, 64, 64), labels(library, 100, 8)
    loss = library.torch.nn.functional.cross_entropy
    return training(library, model, lambda: loss(model(images), target))


def unet(library, bilinear=False):
    """Three levels; up by a transposed convolution, or by bilinear interpolation and a convolution."""
    torch, nn = library.torch, library.torch.nn

    def double(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        )  # fmt: skip

    def up(inputs, outputs):
        if not bilinear:
            return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        smooth = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        return nn.Sequential(smooth, nn.Conv2d(inputs, outputs, 1))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([double(3, 16), double(16, 32), double(32, 64)])
            self.up = nn.ModuleList([up(64, 32), up(32, 16)])
            self.merge = nn.ModuleList([double(64, 32), double(32, 16)])
            self.pool = nn.MaxPool2d(2)
            self.last = nn.Conv2d(16, 2, 1)

        def forward(self, x):
            seen = []
            for i, block in enumerate(self.down):
                x = block(x if i == 0 else self.pool(x))
                seen.append(x)
            for up, merge, skip in zip(self.up, self.merge, seen[-2::-1], strict=True):
                x = merge(torch.cat([skip, up(x)], 1))
            return self.last(x)

    model = prepare(library, UNet())
    images, target = batch(library, 2, 3, 128, 128), labels(library, 2, 2, 128, 128)
    return training(library, model, lambda: nn.functional.cross_entropy(model(images), target), "Adam")


def unet_bilinear(library):
    return unet(library, bilinear=True)


def gan(library):
    """DCGAN's step: the discriminator on real and on made images, then the generator."""
    torch, nn = library.torch, library.torch.nn
    width = 32
    made = nn.Sequential(
        nn.ConvTranspose2d(64, 4 * width, 4, 1, 0, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU(True),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width), nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True),
        nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * width),
        nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    made, judge = prepare(library, made), prepare(library, judge)
    real, noise = batch(library, 32, 3, 32, 32), batch(library, 32, 64, 1, 1)
    ones, zeros = torch.ones(32), torch.zeros(32)
    of_made, of_judge = (
        torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for m in (made, judge)
    )
    loss = nn.BCEWithLogitsLoss()

    def step(mark):
        of_judge.zero_grad()
        images = made(noise)
        judged = loss(judge(real), ones) + loss(judge(images.detach()), zeros)
        judged.backward()
        of_judge.step()
        mark("discriminator")
        of_made.zero_grad()
        fooled = loss(judge(images), ones)
        fooled.backward()
        of_made.step()
        mark("generator")
        return judged.item() + fooled.item()

    return step


def autoencoder(library):
    nn = library.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 7), nn.ReLU(), nn.ConvTranspose2d(64, 32, 7), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
    )  # fmt: skip
    model, images = prepare(library, model), batch(library, 64, 1, 28, 28)
    return training(library, model, lambda: nn.functional.mse_loss(model(images), images), "Adam")


def mnist(library):
    """The network of PyTorch's MNIST example."""
    nn = library.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(1),
    )  # fmt: skip
    model, images, target = prepare(library, model), batch(library, 64, 1, 28, 28), labels(library, 10, 64)
    return training(library, model, lambda: nn.functional.nll_loss(model(images), target), "Adadelta", lr=0.1)


def lenet(library):
    nn = library.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10),
    )  # fmt: skip
    model, images, target = prepare(library, model), batch(library, 256, 1, 28, 28), labels(library, 10, 256)
    return training(library, model, lambda: nn.functional.cross_entropy(model(images), target))


def normalised(norm, activation):
    """A small residual network of four convolutions with other norms than the batch's."""

    def build(library):
        nn = library.torch.nn

        def block(inputs, outputs, stride):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), norm(nn, outputs), activation(nn)
            )

        model = nn.Sequential(
            block(3, 32, 1), block(32, 64, 2), block(64, 64, 1), block(64, 128, 2), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip
        model = prepare(library, model)
        images, target = batch(library, 16, 3, 32, 32), labels(library, 10, 16)
        return training(library, model, lambda: nn.functional.cross_entropy(model(images), target))

    return build


def super_resolution(library):
    """PyTorch's example of sub-pixel convolution."""
    nn = library.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 9, 3, padding=1), nn.PixelShuffle(3),
    )  # fmt: skip
    model = prepare(library, model)
    images, target = batch(library, 4, 1, 64, 64), batch(library, 4, 1, 192, 192)
    return training(library, model, lambda: nn.functional.mse_loss(model(images), target), "Adam")


def detector(library):
    """A small one in the manner of YOLO: strided convolutions, leaky ReLU, upsampling, two grids of boxes."""
    torch, nn = library.torch, library.torch.nn

    def block(inputs, outputs, kernel=3, stride=1):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1, inplace=True),
        )  # fmt: skip

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(block(3, 16), block(16, 32, 3, 2), block(32, 64, 3, 2))
            self.deep = nn.Sequential(block(64, 128, 3, 2), block(128, 64, 1), block(64, 128))
            self.side, self.up = block(128, 64, 1), nn.Upsample(scale_factor=2, mode="nearest")
            self.coarse, self.fine = nn.Conv2d(128, 24, 1), nn.Conv2d(128, 24, 1)

        def forward(self, x):
            x = self.first(x)
            deep = self.deep(x)
            return self.coarse(deep), self.fine(torch.cat([self.up(self.side(deep)), x], 1))

    model, images = prepare(library, Net()), batch(library, 4, 3, 128, 128)
    target = [(batch(library, 4, 24, n, n) > 1).float() for n in (16, 32)]

    def loss():
        pairs = zip(model(images), target, strict=True)
        return sum(nn.functional.binary_cross_entropy_with_logits(a, b) for a, b in pairs)

    return training(library, model, loss)


def styled(library):
    """A generator in the manner of fast style transfer: reflected borders, instance norm, residual blocks."""
    nn = library.torch.nn

    class Residual(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.body = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width, affine=True),
                nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3),
                nn.InstanceNorm2d(width, affine=True),
            )  # fmt: skip

        def forward(self, x):
            return x + self.body(x)

    model = nn.Sequential(
        nn.ReflectionPad2d(4), nn.Conv2d(3, 16, 9), nn.InstanceNorm2d(16, affine=True), nn.ReLU(),
        nn.ReflectionPad2d(1), nn.Conv2d(16, 32, 3, 2), nn.InstanceNorm2d(32, affine=True), nn.ReLU(),
        Residual(32), Residual(32), nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ReflectionPad2d(1), nn.Conv2d(32, 16, 3), nn.InstanceNorm2d(16, affine=True), nn.ReLU(),
        nn.ReflectionPad2d(4), nn.Conv2d(16, 3, 9),
    )  # fmt: skip
    model, images = prepare(library, model), batch(library, 2, 3, 96, 96)
    return training(library, model, lambda: nn.functional.mse_loss(model(images), images), "Adam")
