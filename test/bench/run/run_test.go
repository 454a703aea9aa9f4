package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	shared "mock-ec2-metadata/test/bench"
)

func TestParseWrk(t *testing.T) {
	const preamble = "Running 1s test @ http://127.0.0.1:5000/\n  Requests/sec:  1\n"
	tests := []struct {
		name, out string
		used      time.Duration
		want      load
		err       string
	}{
		{
			"good", preamble + `{"requests":3000,"microseconds":1500000,"p99":4279,"refused":0,"socketErrors":0}` + "\n", 500 * time.Millisecond,
			load{perSecond: 2000, p99: 4279 * time.Microsecond, perCPU: 6000},
			"",
		},
		{
			"wrong", `{"requests":3000,"microseconds":1500000,"p99":1,"refused":2,"socketErrors":3}`, time.Second,
			load{},
			"wrong answers: 2 of 3000 requests were refused, 3 connections failed",
		},
		{"none", `{"requests":0,"microseconds":1500000,"p99":0,"refused":0,"socketErrors":0}`, time.Second, load{}, "nothing was answered while wrk ran"},
		{"no line", preamble, time.Second, load{}, `wrk printed "Running 1s test @ http://127.0.0.1:5000/\n  Requests/sec:  1\n": invalid character 'R' looking for beginning of value`},
	}
	for _, tt := range tests {
		got, err := parseWrk(tt.out, tt.used)
		if text(err) != tt.err || got != tt.want {
			t.Errorf("%s: %+v, %q\nwant %+v, %q", tt.name, got, text(err), tt.want, tt.err)
		}
	}
}

func TestParseGoBench(t *testing.T) {
	got, err := parseGoBench(`goos: linux
BenchmarkHandler/leaf-v1/ours-2         	  223960	      5227 ns/op	    1472 B/op	      14 allocs/op
BenchmarkHandler/leaf-v1 	  1	      7 ns/op
BenchmarkLookup
BenchmarkFleet-16   	       1	  28267857 ns/op	        29.21 after-minute/mean
PASS
`)
	want := map[string]figures{
		"BenchmarkHandler/leaf-v1/ours": {"ns/op": 5227, "B/op": 1472, "allocs/op": 14},
		"BenchmarkHandler/leaf-v1":      {"ns/op": 7},
		"BenchmarkFleet":                {"ns/op": 28267857, "after-minute/mean": 29.21},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := parseGoBench("BenchmarkX-2 1 fast ns/op\n"); text(err) != `go test printed "BenchmarkX-2 1 fast ns/op\n": strconv.ParseFloat: parsing "fast": invalid syntax` {
		t.Errorf("no figure: %v", err)
	}
}

func TestParseMachine(t *testing.T) {
	cpus, err := parseCPUs("0-2,7")
	if diff := cmp.Diff([]string{"0", "1", "2", "7"}, cpus); err != nil || diff != "" {
		t.Errorf("processors: %v (-want +got):\n%s", err, diff)
	}
	if _, err := parseCPUs("all"); text(err) != `/proc/self/status: Cpus_allowed_list "all" is no list of processors` {
		t.Errorf("processors: %v", err)
	}
	used, err := parseProcessorTime("7 (a ) name) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0")
	if err != nil || used != 1540*time.Millisecond {
		t.Errorf("processor time %v, %v", used, err)
	}
	if _, err := parseProcessorTime("7 (name) S 1"); text(err) != `/proc/PID/stat has no processor times: "7 (name) S 1"` {
		t.Errorf("processor time: %v", err)
	}
}

func TestReport(t *testing.T) {
	rates := []float64{0.9, 0.7, 0.8, 1}
	var b strings.Builder
	printTable(&b, []row{
		atLeast("requests", "%.2f", 0.92, median(rates), spread("%.2f", rates)+"; "+thousands(1234567.8)+" a second"),
		atLeast("just enough", "%.1f", 1, median(rates[3:]), ""),
		atMost("memory", "%.1f MB", 14, 14, thousands(999)),
		atMost("allocations", "%.0f", 3, median([]float64{5, 3, 4}), ""),
	})
	const want = `| what | wanted | got | | |
|---|---|---|---|---|
| requests | ≥ 0.92 | 0.85 | short | 0.70–1.00; 1,234,568 a second |
| just enough | ≥ 1.0 | 1.0 | ok |  |
| memory | ≤ 14.0 MB | 14.0 MB | ok | 999 |
| allocations | ≤ 3 | 4 | short |  |
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFlags has what cannot be measured.
func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-connections 16,":         "-connections 16,: want numbers with commas between, as in 16,256",
		"-parts start,stop":        `-parts start,stop: there is no part "stop", but requests,start,memory,sizes,go,reloads`,
		"-cases leaf":              "-cases leaf: there is no request of that name, but leaf-v1,leaf-v2,credentials,listing,token",
		"-seconds 0":               "-rounds and -seconds: want at least 1",
		"-rounds -1":               "-rounds and -seconds: want at least 1",
		"-daemon /nowhere/daemon":  "stat /nowhere/daemon: no such file or directory; make bench builds it",
		"-parts start -cases none": "-cases none: there is no request of that name, but leaf-v1,leaf-v2,credentials,listing,token",
	} {
		if _, err := newBench(strings.Fields(args)); text(err) != want {
			t.Errorf("%s: %q\nwant %q", args, text(err), want)
		}
	}
	for _, c := range shared.Cases() {
		if wantedRatios[c.Name] == 0 {
			t.Errorf("nothing is wanted of %s", c.Name)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
