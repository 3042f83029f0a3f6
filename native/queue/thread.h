// A thread that does one job after the other.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace fastsde {

class Thread {
  public:
    Thread();
    /** Does what was posted, then ends. */
    ~Thread();
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    /** @param job throws nothing */
    void post(std::function<void()> job);

  private:
    void loop();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::list<std::function<void()>> jobs_;
    bool ending_ = false;
    std::thread thread_;  // last: it uses what stands above
};

}  // namespace fastsde
