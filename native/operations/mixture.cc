#include "mixture.h"

#include <algorithm>
#include <stdexcept>

#include "../elementary.h"
#include "../isa.h"

namespace fastsde {

Mixture::Mixture(std::size_t dimension, std::vector<double> logWeights, std::vector<double> means,
                 std::span<const std::int32_t> ranks, std::vector<double> values, std::vector<double> bases)
    : dimension_(dimension),
      logWeights_(std::move(logWeights)),
      means_(std::move(means)),
      values_(std::move(values)),
      bases_(std::move(bases)) {
    std::size_t value = 0, basis = 0;
    for (const std::int32_t rank : ranks) {
        if (rank > static_cast<std::int64_t>(dimension)) throw std::length_error("a rank is above the dimension");
        const std::size_t own = rank < 0 ? dimension : static_cast<std::size_t>(rank);
        components_.push_back({rank < 0, own, value, basis});
        value += own + 1;
        if (rank > 0) basis += own * dimension;
    }
    if (dimension == 0 || components_.empty() || logWeights_.size() != ranks.size() ||
        means_.size() != ranks.size() * dimension || values_.size() != value || bases_.size() != basis)
        throw std::length_error("the parts of the mixture do not fit");
}

namespace {

constexpr double ln2Pi = 0x1.d67f1c864beb5p+0;

}  // namespace

/** A mixture at one level, at one point after the other. */
class MixtureLaw {
  public:
    explicit MixtureLaw(const Mixture& mixture)
        : mixture_(mixture),
          k_(kernels()),
          precisions_(mixture.values_.size()),
          logScales_(mixture.size()),
          traces_(mixture.size()),
          offset_(mixture.dimension()),
          score_(mixture.dimension()),
          pull_(mixture.dimension()),
          posterior_(mixture.size()) {}

    /** ln w - ln |2 pi S| / 2 and the inverse eigenvalues of S = alpha^2 Sigma + sigma^2. About 20 ns per eigenvalue. */
    void setLevel(double alpha, double sigma) {
        if (alpha == alpha_ && sigma == sigma_) return;
        alpha_ = alpha;
        sigma_ = sigma;
        const std::size_t d = mixture_.dimension();
        for (std::size_t k = 0; k < mixture_.size(); ++k) {
            const Mixture::Component& c = mixture_.components_[k];
            double logDeterminant = 0, trace = 0;
            for (std::size_t j = 0; j <= c.rank; ++j) {
                const double variance = alpha * alpha * mixture_.values_[c.values + j] + sigma * sigma;
                precisions_[c.values + j] = 1 / variance;
                const std::size_t times = j < c.rank ? 1 : d - c.rank;
                if (times == 0) continue;
                logDeterminant += static_cast<double>(times) * logarithm(variance);
                trace += static_cast<double>(times) / variance;
            }
            logScales_[k] =
                mixture_.logWeights_[k] - (static_cast<double>(d) * ln2Pi + logDeterminant) / 2;
            traces_[k] = trace;
        }
    }

    /** Goes to a point; p(k | x) then is that of all components, or 1 for the one that is given. Returns ln p. */
    double setPoint(const double* x, std::int32_t component) {
        x_ = x;
        if (component >= 0) {
            std::fill(posterior_.begin(), posterior_.end(), 0);
            posterior_[static_cast<std::size_t>(component)] = 1;
            return logScales_[static_cast<std::size_t>(component)] -
                   mixture_.logWeights_[static_cast<std::size_t>(component)] -
                   distance(static_cast<std::size_t>(component)) / 2;
        }
        for (std::size_t k = 0; k < posterior_.size(); ++k) posterior_[k] = logScales_[k] - distance(k) / 2;
        const double most = *std::max_element(posterior_.begin(), posterior_.end());
        double total = 0;
        for (const double value : posterior_) total += exponential(value - most);
        const double logDensity = most + logarithm(total);
        for (double& value : posterior_) value = exponential(value - logDensity);
        return logDensity;
    }

    std::span<const double> posterior() const { return posterior_; }

    /** Minus the mean of the pulls. */
    const std::vector<double>& score() {
        std::fill(score_.begin(), score_.end(), 0);
        forComponents([&](std::size_t k, double weight) {
            k_.accumulateDouble(score_.data(), -weight, pull(k), score_.size());
        });
        return score_;
    }

    /** sum_k w_k (|P_k d_k + s|^2 - tr P_k) with s the score. */
    double divergence() {
        score();
        double sum = 0;
        forComponents([&](std::size_t k, double weight) {
            const double* spread = pullAboutScore(k);
            sum += weight * (k_.dotDouble(spread, spread, score_.size()) - traces_[k]);
        });
        return sum;
    }

    /** out <- sum_k w_k ((P_k d_k + s) (P_k d_k + s)^T - P_k) v. */
    void product(const double* v, double* out) {
        const std::size_t d = score_.size();
        score();
        std::fill(out, out + d, 0);
        forComponents([&](std::size_t k, double weight) {
            const double* spread = pullAboutScore(k);
            const double along = k_.dotDouble(spread, v, d);
            k_.accumulateDouble(out, weight * along, spread, d);
            k_.accumulateDouble(out, -weight, times(k, v), d);
        });
    }

  private:
    /** Components whose weight is not 0, of which there may be few. */
    template <typename Visit>
    void forComponents(const Visit& visit) {
        for (std::size_t k = 0; k < posterior_.size(); ++k)
            if (posterior_[k] != 0) visit(k, posterior_[k]);
    }

    const double* displace(std::size_t k) {
        const std::size_t d = offset_.size();
        k_.displace(offset_.data(), x_, mixture_.means_.data() + k * d, alpha_, d);
        return offset_.data();
    }

    /** P_k (x - alpha mu_k). */
    const double* pull(std::size_t k) { return times(k, displace(k)); }

    const double* pullAboutScore(std::size_t k) {
        pull(k);
        k_.accumulateDouble(pull_.data(), 1, score_.data(), pull_.size());
        return pull_.data();
    }

    /** P_k v. */
    const double* times(std::size_t k, const double* v) {
        const Mixture::Component& c = mixture_.components_[k];
        const std::size_t d = pull_.size();
        const double* precisions = precisions_.data() + c.values;
        if (c.isDiagonal) {
            k_.products(pull_.data(), precisions, v, d);
            return pull_.data();
        }
        const double rest = c.rank < d ? precisions[c.rank] : 0;
        std::fill(pull_.begin(), pull_.end(), 0);
        k_.accumulateDouble(pull_.data(), rest, v, d);
        for (std::size_t j = 0; j < c.rank; ++j) {
            const double* vector = mixture_.bases_.data() + c.basis + j * d;
            k_.accumulateDouble(pull_.data(), (precisions[j] - rest) * k_.dotDouble(vector, v, d), vector, d);
        }
        return pull_.data();
    }

    /** (x - alpha mu_k)^T P_k (x - alpha mu_k). */
    double distance(std::size_t k) {
        const double* offset = displace(k);
        return k_.dotDouble(offset, times(k, offset), offset_.size());
    }

    const Mixture& mixture_;
    const Kernels& k_;
    double alpha_ = -1, sigma_ = -1;
    const double* x_ = nullptr;
    std::vector<double> precisions_, logScales_, traces_, offset_, score_, pull_, posterior_;
};

namespace {

/** Estimated cost of one component per element. */
constexpr double componentNanoseconds = 1;

/** Calls visit(law, row) with the law of every row at its point, in parts that threads share. */
template <typename Visit>
void forRows(const Mixture& mixture, const MixtureRows& rows, const Visit& visit) {
    const std::size_t d = mixture.dimension(), count = rows.x.size / d;
    const std::size_t parts = std::min(count, std::max<std::size_t>(1, 4 * threadCount()));
    const double cost = static_cast<double>(rows.x.size * mixture.size()) * componentNanoseconds;
    parallelTiles(parts, cost, [&](std::size_t part) {
        MixtureLaw law(mixture);
        std::vector<double> x(d);
        for (std::size_t row = part * count / parts; row < (part + 1) * count / parts; ++row) {
            if (rows.x.isDouble)
                std::copy_n(rows.x.as<const double>() + row * d, d, x.data());
            else
                std::copy_n(rows.x.as<const float>() + row * d, d, x.data());
            law.setLevel(rows.levels[2 * row], rows.levels[2 * row + 1]);
            visit(law, row, law.setPoint(x.data(), rows.components.empty() ? -1 : rows.components[row]));
        }
    });
}

/** Puts a row where it belongs, rounded where the array is single. */
void store(const Array& out, std::size_t row, std::span<const double> values) {
    if (out.isDouble)
        std::copy(values.begin(), values.end(), out.as<double>() + row * values.size());
    else
        std::transform(values.begin(), values.end(), out.as<float>() + row * values.size(),
                       [](double value) { return static_cast<float>(value); });
}

}  // namespace

void mixtureScore(const Mixture& mixture, const MixtureRows& rows, const Array& out) {
    forRows(mixture, rows, [&](MixtureLaw& law, std::size_t row, double) { store(out, row, law.score()); });
}

void mixtureDivergence(const Mixture& mixture, const MixtureRows& rows, std::span<double> out) {
    forRows(mixture, rows, [&](MixtureLaw& law, std::size_t row, double) { out[row] = law.divergence(); });
}

void mixtureProduct(const Mixture& mixture, const MixtureRows& rows, const Array& v, const Array& out) {
    const std::size_t d = mixture.dimension();
    forRows(mixture, rows, [&](MixtureLaw& law, std::size_t row, double) {
        std::vector<double> vector(d), product(d);
        if (v.isDouble)
            std::copy_n(v.as<const double>() + row * d, d, vector.data());
        else
            std::copy_n(v.as<const float>() + row * d, d, vector.data());
        law.product(vector.data(), product.data());
        store(out, row, product);
    });
}

void mixturePosterior(const Mixture& mixture, const MixtureRows& rows, std::span<double> out,
                      std::span<double> logDensity) {
    forRows(mixture, rows, [&](MixtureLaw& law, std::size_t row, double density) {
        const std::span posterior = law.posterior();
        std::copy(posterior.begin(), posterior.end(), out.begin() + static_cast<std::ptrdiff_t>(row * posterior.size()));
        if (!logDensity.empty()) logDensity[row] = density;
    });
}

}  // namespace fastsde
