package metrics

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// proc reads a file of this process.
func proc(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// after is the number that follows a word.
func after(t *testing.T, text, word string) float64 {
	t.Helper()
	_, rest, found := strings.Cut(text, word)
	if !found {
		t.Fatalf("there is no %s in %s", word, text)
	}
	v, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestProcess_IsWhatTheKernelSays allows 10 %: the process goes on between the readings.
func TestProcess_IsWhatTheKernelSays(t *testing.T) {
	d := start(t)
	d.scrape(t)
	got := values(t, d.scrape(t))
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, stat := proc(t, "status"), strings.Fields(proc(t, "stat"))
	ticks := func(field int) float64 {
		v, err := strconv.ParseFloat(stat[field-1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v / 100 // USER_HZ
	}
	boot, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"process_resident_memory_bytes": after(t, status, "VmRSS:") * 1024,
		"process_virtual_memory_bytes":  after(t, status, "VmSize:") * 1024,
		"process_max_fds":               after(t, proc(t, "limits"), "Max open files"),
		"process_cpu_seconds_total":     ticks(14) + ticks(15),
		"process_start_time_seconds":    after(t, string(boot), "btime") + ticks(22),
	} {
		if math.Abs(got[name]-want) > want/10+0.1 {
			t.Errorf("%s is %v, /proc says %v", name, got[name], want)
		}
	}
	if n := got["process_open_fds"]; math.Abs(n-float64(len(files))) > 3 {
		t.Errorf("%v open files, /proc has %d", n, len(files))
	}
	if n := got["go_goroutines"]; math.Abs(n-float64(runtime.NumGoroutine())) > 10 {
		t.Errorf("%v goroutines", n)
	}
	if n := got[fmt.Sprintf("go_info{version=%q}", runtime.Version())]; n != 1 {
		t.Errorf("go_info is %v", n)
	}
	if at := got["process_start_time_seconds"]; time.Since(time.Unix(int64(at), 0)) > time.Hour {
		t.Errorf("the test began at %v", at)
	}
}
