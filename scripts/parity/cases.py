"""Which sampler of which package is which of our predictors."""

from packages import by_diffusers, by_diffusers_betas, by_diffusers_ipndm, by_k_diffusion

# (package, its sampler in words, ours, theirs, how many of their levels are one step of ours, why they differ)
CASES = []


def add(package, words, ours, theirs, every=1, differs=None):
    CASES.append((package, words, ours, theirs, every, differs))


def k(words, ours, name, differs=None, **options):
    add("k-diffusion", words, ours, by_k_diffusion(name, **options), differs=differs)


def d(words, ours, name, every=1, differs=None, **config):
    add("diffusers", words, ours, by_diffusers(name, **config), every, differs)


FULL = {"lowerOrderFinal": False}
PUBLISHED = {"variant": "published", **FULL}
LAST = {"lower_order_final": False, "final_sigmas_type": "sigma_min"}
MULTI, SINGLE = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"

k("euler", {"name": "ddim"}, "euler")
k("heun", {"name": "edm-heun"}, "heun")
k("dpm_2", {"name": "dpm-solver-2s"}, "dpm_2")
k("lms, order 3", {"name": "deis", "order": 3, **FULL}, "lms", order=3)
k("dpmpp_2s_ancestral, eta 0", {"name": "dpmpp-2s"}, "dpmpp_2s_ancestral", eta=0.0)
k("dpmpp_2m", {"name": "dpmpp-2m", **FULL}, "dpmpp_2m")
k("euler_ancestral", {"name": "ddim", "eta": 1}, "euler_ancestral")
for eta in (0.5, 1.0):
    k(f"dpmpp_2m_sde, midpoint, eta {eta}", {"name": "dpmpp-2m-sde", "eta": eta, **FULL}, "dpmpp_2m_sde", eta=eta)
    heun = {"name": "dpmpp-2m-sde", "eta": eta, "variant": "taylor", **FULL}
    k(f"dpmpp_2m_sde, heun, eta {eta}", heun, "dpmpp_2m_sde", eta=eta, solver_type="heun")
start = "its second step is the other one of order 2"
k("dpmpp_3m_sde, eta 0", {"name": "dpmpp-3m", **PUBLISHED}, "dpmpp_3m_sde", start, eta=0.0)
k("dpmpp_sde", {"name": "dpmpp-sde"}, "dpmpp_sde", "it makes two evaluations a step")

add("diffusers", "DDIM", {"name": "ddim"}, by_diffusers_betas("DDIMScheduler"))
d("DPM-Solver++ 2M, midpoint", {"name": "dpmpp-2m", **FULL}, MULTI, solver_order=2, **LAST)
d(
    "DPM-Solver++ 2M, heun",
    {"name": "dpmpp-2m", "variant": "taylor", **FULL},
    MULTI,
    solver_order=2,
    solver_type="heun",
    **LAST,
)
d(
    "DPM-Solver++ 2M, lower order at the end",
    {"name": "dpmpp-2m"},
    MULTI,
    solver_order=2,
    final_sigmas_type="sigma_min",
)
d("DPM-Solver++ 3M", {"name": "dpmpp-3m", **PUBLISHED}, MULTI, solver_order=3, **LAST)
sde = {"algorithm_type": "sde-dpmsolver++", **LAST}
d("SDE-DPM-Solver++ 2M", {"name": "dpmpp-2m-sde", **FULL}, MULTI, solver_order=2, **sde)
sign = "a term has the wrong sign"
d("SDE-DPM-Solver++ 3M", {"name": "dpmpp-3m-sde", **PUBLISHED}, MULTI, differs=sign, solver_order=3, **sde)
d("DPM-Solver++ 2S", {"name": "dpmpp-2s"}, SINGLE, 2, solver_order=2, **LAST)
inner = "its inner state is made by another rule than the paper's"
d("DPM-Solver++ 3S", {"name": "dpmpp-3s"}, SINGLE, 3, inner, solver_order=3, **LAST)
noise = {"algorithm_type": "dpmsolver", **LAST}
d("DPM-Solver 2S", {"name": "dpm-solver-2s"}, SINGLE, 2, solver_order=2, **noise)
d("DPM-Solver 3S", {"name": "dpm-solver-3s"}, SINGLE, 3, inner, solver_order=3, **noise)
for order in (1, 2, 3):
    for variant in ("bh1", "bh2"):
        ours = {"name": "unipc", "order": order, "variant": variant, **FULL}
        d(f"UniPC {order}, {variant}", ours, "UniPCMultistepScheduler", solver_order=order, solver_type=variant, **LAST)
deis = {"solver_order": 3, "lower_order_final": False}
logarithm = "it interpolates in ln(sigma / alpha)"
d("DEIS 3", {"name": "deis", "order": 3, **FULL}, "DEISMultistepScheduler", differs=logarithm, **deis)
add("diffusers", "iPNDM", {"name": "ipndm", **FULL}, by_diffusers_ipndm)
pndm = by_diffusers_betas("PNDMScheduler", skip_prk_steps=True)
add("diffusers", "PNDM", {"name": "ipndm", **FULL}, pndm, differs="it evaluates its second level twice")
