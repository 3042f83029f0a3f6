// Mixtures of Gaussians: the score of the law of alpha x + sigma z for x from a mixture, with its Jacobian and its divergence, in
// double precision.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "batch.h"

namespace fastsde {

/** sum_k w_k N(mu_k, Sigma_k). A covariance is diagonal, or has eigenvalues on some orthonormal vectors and one more on the rest. */
class Mixture {
  public:
    struct Component {
        bool isDiagonal;
        std::size_t rank;          // eigenvectors; of a diagonal covariance the dimension
        std::size_t values, basis;  // where its eigenvalues begin (that of the rest comes last), and its eigenvectors
    };

    /**
     * @param ranks of each component: its number of eigenvectors, or -1 for a diagonal covariance
     * @param values eigenvalues, all components one after the other; not negative
     * @param bases eigenvectors, likewise
     * @throws std::length_error where the lengths do not fit
     */
    Mixture(std::size_t dimension, std::vector<double> logWeights, std::vector<double> means,
            std::span<const std::int32_t> ranks, std::vector<double> values, std::vector<double> bases);

    std::size_t dimension() const { return dimension_; }
    std::size_t size() const { return components_.size(); }

  private:
    friend class MixtureLaw;

    std::size_t dimension_;
    std::vector<double> logWeights_, means_, values_, bases_;
    std::vector<Component> components_;
};

/** Rows of a batch, each with the level of its law, and the component that it is restricted to (or -1; empty for none). */
struct MixtureRows {
    Array x;
    std::span<const double> levels;  // alpha, sigma
    std::span<const std::int32_t> components;
};

/** The gradient of ln p. */
void mixtureScore(const Mixture& mixture, const MixtureRows& rows, const Array& out);
/** The Laplacian of ln p, one number for each row. */
void mixtureDivergence(const Mixture& mixture, const MixtureRows& rows, std::span<double> out);
/** The Hessian of ln p times v. */
void mixtureProduct(const Mixture& mixture, const MixtureRows& rows, const Array& v, const Array& out);
/** p(k | x) for every component, and ln p(x) where `logDensity` is not empty. */
void mixturePosterior(const Mixture& mixture, const MixtureRows& rows, std::span<double> out,
                      std::span<double> logDensity);

}  // namespace fastsde
