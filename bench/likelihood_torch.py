"""The work of bench/likelihood.ts in PyTorch: python3 bench/likelihood_torch.py MODEL.onnx X.npy V.npy TOLERANCE THREADS

The formulation of the published PyTorch code: the batch is one system for SciPy's RK45 in t from 1e-5 to 1, and each stage
evaluates the network once for the drift and once, with its gradient, for Hutchinson's estimate. The network is scripts/models/
unet.py with the weights of the ONNX file, checked against ONNX Runtime. Prints a JSON object.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from scipy import integrate

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "models"))
from unet import UNet, VpEpsilon

BETA0, BETA1 = 0.1, 20.0


def network(path):
    """The network of the file. Group normalisations were exported without their names, in the order of execution."""
    net = VpEpsilon(UNet()).eval().requires_grad_(False)
    arrays = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in onnx.load(path).graph.initializer}
    order = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, _o, name=name: order.append(name))
        for name, module in net.named_modules()
        if isinstance(module, torch.nn.GroupNorm)
    ]
    x, t = torch.randn(2, 1, 28, 28), torch.tensor([30.0, 700.0])
    net(x, t)
    for hook in hooks:
        hook.remove()
    number = lambda name: int(name.rsplit("_", 1)[1])
    unnamed = sorted((name for name in arrays if name.startswith("onnx::")), key=number)
    state = {name: value for name, value in arrays.items() if not name.startswith("onnx::")}
    for name, scale, shift in zip(order, unnamed[::2], unnamed[1::2], strict=True):
        state[f"{name}.weight"] = arrays[scale].flatten()
        state[f"{name}.bias"] = arrays[shift].flatten()
    net.load_state_dict(state)
    reference = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy(), "t": t.numpy()})[0]
    assert np.abs(net(x, t).numpy() - reference).max() < 1e-4, "the weights do not fit"
    return net


def main():
    path, x_file, v_file = sys.argv[1:4]
    tolerance, threads = float(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(threads)
    net = network(path)
    x = torch.from_numpy(np.load(x_file)).reshape(-1, 1, 28, 28)
    v = torch.from_numpy(np.load(v_file)).reshape(x.shape)

    def drift(x, t):
        integral = t * (BETA0 + 0.5 * (BETA1 - BETA0) * t)
        sigma = torch.sqrt(-torch.expm1(-integral))
        beta = (BETA0 + t * (BETA1 - BETA0))[:, None, None, None]
        score = -net(x, 999 * t) / sigma[:, None, None, None]
        return -0.5 * beta * x - 0.5 * beta * score

    def divergence(x, t):
        with torch.enable_grad():
            x = x.requires_grad_(True)
            product = torch.autograd.grad((drift(x, t) * v).sum(), x)[0]
        x.requires_grad_(False)
        return (product * v).sum(dim=(1, 2, 3))

    def derivative(t, state):
        here = torch.from_numpy(state[: x.numel()].reshape(x.shape)).float()
        time = torch.full((len(x),), t)
        with torch.no_grad():
            slope = drift(here, time)
        return np.concatenate([slope.numpy().ravel(), divergence(here, time).numpy()])

    start, cpu = time.perf_counter(), time.process_time()
    state = np.concatenate([x.numpy().ravel(), np.zeros(len(x))])
    solution = integrate.solve_ivp(derivative, (1e-5, 1), state, rtol=tolerance, atol=tolerance, method="RK45")
    z, delta = solution.y[: x.numel(), -1].reshape(len(x), -1), solution.y[x.numel() :, -1]
    d = z.shape[1]
    log_density = -d / 2 * np.log(2 * np.pi) - (z**2).sum(1) / 2 + delta
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                "evaluations": solution.nfev,
                "bitsPerDim": (-log_density / d / np.log(2) + 7).tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()
