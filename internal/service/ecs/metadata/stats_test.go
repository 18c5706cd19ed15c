package metadata

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"

	"github.com/skylift/skylift/internal/engine"
)

// busy is an engine in which a task's only container uses half a processor,
// reads 1 kB and writes 2 kB a second, and sends and gets 300 and 100 bytes.
type busy struct {
	still
	began time.Time
	asked int
}

func (b *busy) Stats(context.Context, string) (engine.Stats, error) {
	b.asked++
	ran := time.Since(b.began)
	n := int64(ran / time.Second)
	return engine.Stats{
		Containers: []engine.ContainerStats{{
			Name: "curl", RuntimeID: "abc", Time: time.Now(), Processes: 3,
			CPU: engine.CPUStats{
				Total: ran / 2, User: ran / 4, Kernel: ran / 4, System: 2 * ran, Online: 2,
				Periods: 5, ThrottledPeriods: 1, Throttled: time.Millisecond,
			},
			Memory: engine.MemoryStats{Usage: 6504448, MaxUsage: 8458240, Limit: 128 << 20, Detail: map[string]int64{"inactive_file": 4096}},
			Disk:   engine.DiskStats{ReadBytes: 1000 * n, WriteBytes: 2000 * n, Reads: n, Writes: 2 * n},
		}},
		Networks: map[string]engine.NetworkStats{"eth0": {RxBytes: 100 * n, RxPackets: n, TxBytes: 300 * n, TxPackets: 3 * n}},
	}, nil
}

// docker is statistics as a client of Docker reads them, with the rates that
// version 4 adds.
type docker struct {
	container.StatsResponse
	Rate *NetworkRate `json:"network_rate_stats"`
}

// TestStats reads the statistics as Docker's client does, strictly.
func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task, d := curl()
		eng := &busy{still: running, began: time.Now()}
		s := server(t, eng, d, task)
		id := task.EndpointID(task.Containers[0])
		read := func(path string) (all map[string]*docker) {
			t.Helper()
			w := ask(s, "GET", task.ENI.Addr, path, "")
			body := w.Body.String()
			if !strings.HasSuffix(path, "/task/stats") {
				body = `{"` + id + `":` + body + `}`
			}
			dec := json.NewDecoder(strings.NewReader(body))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&all); err != nil || w.Code != http.StatusOK || all[id] == nil || len(all) != 1 {
				t.Fatalf("%s: %d %v %s", path, w.Code, err, w.Body)
			}
			return all
		}
		time.Sleep(10 * time.Second) // simulated
		got := read("/v4/" + id + "/task/stats")[id]
		if took := time.Since(eng.began); took != 11*time.Second || eng.asked != 2 {
			t.Errorf("the first answer came after %v with %d measurements, want a second with two", took-10*time.Second, eng.asked)
		}
		want := &docker{Rate: &NetworkRate{RxBytes: 100, TxBytes: 300}}
		want.Read, want.PreRead = eng.began.Add(11*time.Second).UTC(), eng.began.Add(10*time.Second).UTC()
		want.Name, want.ID = "curl", id
		want.PidsStats.Current = 3
		entries := func(read, write uint64) []container.BlkioStatEntry {
			return []container.BlkioStatEntry{{Op: "Read", Value: read}, {Op: "Write", Value: write}, {Op: "Total", Value: read + write}}
		}
		none := []container.BlkioStatEntry{}
		want.BlkioStats = container.BlkioStats{
			IoServiceBytesRecursive: entries(11000, 22000), IoServicedRecursive: entries(11, 22), IoQueuedRecursive: none,
			IoServiceTimeRecursive: none, IoWaitTimeRecursive: none, IoMergedRecursive: none, IoTimeRecursive: none, SectorsRecursive: none,
		}
		throttled := container.ThrottlingData{Periods: 5, ThrottledPeriods: 1, ThrottledTime: 1e6}
		want.CPUStats = container.CPUStats{
			CPUUsage:    container.CPUUsage{TotalUsage: 5.5e9, UsageInKernelmode: 2.75e9, UsageInUsermode: 2.75e9},
			SystemUsage: 22e9, OnlineCPUs: 2, ThrottlingData: throttled,
		}
		want.PreCPUStats = container.CPUStats{
			CPUUsage:    container.CPUUsage{TotalUsage: 5e9, UsageInKernelmode: 2.5e9, UsageInUsermode: 2.5e9},
			SystemUsage: 20e9, OnlineCPUs: 2, ThrottlingData: throttled,
		}
		want.MemoryStats = container.MemoryStats{Usage: 6504448, MaxUsage: 8458240, Limit: 128 << 20, Stats: map[string]uint64{"inactive_file": 4096}}
		want.Networks = map[string]container.NetworkStats{"eth0": {RxBytes: 1100, RxPackets: 11, TxBytes: 3300, TxPackets: 33}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("task stats (-want +got):\n%s", d)
		}

		if again := read("/v4/" + id + "/stats")[id]; !again.Read.Equal(got.Read) || eng.asked != 2 {
			t.Errorf("asked again at once: measured %d times, want the same answer", eng.asked)
		}
		if v3 := read("/v3/" + id + "/stats")[id]; v3.Rate != nil || v3.Networks["eth0"].TxBytes != 3300 {
			t.Errorf("version 3: %+v", v3)
		}
		time.Sleep(15 * time.Second)
		later := read("/v4/" + id + "/stats")[id]
		if later.Read.Sub(later.PreRead) != 15*time.Second || eng.asked != 3 || later.Rate.TxBytes != 300 {
			t.Errorf("15 s later: from %v to %v, %+v, measured %d times", later.PreRead, later.Read, later.Rate, eng.asked)
		}
		time.Sleep(10 * time.Minute)
		if late := read("/v4/" + id + "/stats")[id]; late.Read.Sub(late.PreRead) != time.Second {
			t.Errorf("long after: from %v to %v, want a second", late.PreRead, late.Read)
		}
	})
}

// TestStatsOfWhatDoesNotRun: the task's have null, the container's are refused.
func TestStatsOfWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task, d := curl()
		s := server(t, running, d, task)
		id := task.EndpointID(task.Containers[0])
		if w := ask(s, "GET", task.ENI.Addr, "/v4/"+id+"/task/stats", ""); w.Code != http.StatusOK || w.Body.String() != `{"`+id+`":null}` {
			t.Errorf("task: %d %s", w.Code, w.Body)
		}
		if w := ask(s, "GET", task.ENI.Addr, "/v4/"+id+"/stats", ""); w.Code != http.StatusInternalServerError || w.Body.String() != `"Unable to get container stats for: `+id+`"` {
			t.Errorf("container: %d %s", w.Code, w.Body)
		}
	})
}

// TestRateOfARestart: what counts anew has no rate, and no time before.
func TestRateOfARestart(t *testing.T) {
	t.Parallel()
	task, _ := curl()
	at := func(seconds int, runtime string, counted int64) sample {
		when := time.Unix(int64(seconds), 0)
		return sample{when, engine.Stats{
			Containers: []engine.ContainerStats{{Name: "curl", RuntimeID: runtime, Time: when, CPU: engine.CPUStats{Total: time.Duration(counted)}}},
			Networks:   map[string]engine.NetworkStats{"eth0": {RxBytes: counted, TxBytes: counted}},
		}}
	}
	for _, now := range []sample{at(20, "new", 10), at(20, "old", 10)} {
		got := pair{before: at(10, "old", 1000), now: now}.of(asker{v4: true, task: task}, task.Containers[0])
		if got.NetworkRate != nil || !got.PreRead.IsZero() || got.PreCPUStats.CPUUsage.TotalUsage != 0 {
			t.Errorf("got rate %+v, before %v", got.NetworkRate, got.PreRead)
		}
	}
}

// TestForgetting: what nobody asks about takes no memory.
func TestForgetting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(running)
		for _, id := range []string{"a", "b", "c"} {
			s.of(id)
		}
		time.Sleep(3 * forgotten)
		s.of("d")
		if len(s.tasks) != 1 {
			t.Errorf("%d tasks are remembered, want one", len(s.tasks))
		}
	})
}
