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
	for _, tt := range []struct {
		name, out string
		used      time.Duration
		want      load
		err       string
	}{
		{
			name: "good", out: preamble + `{"requests":3000,"microseconds":1500000,"p99":4279,"refused":0,"socketErrors":0}` + "\n",
			used: 60 * time.Millisecond,
			want: load{perSecond: 2000, p99: 4279 * time.Microsecond, cpu: 20 * time.Microsecond},
		},
		{
			name: "wrong answers", out: `{"requests":3000,"microseconds":1500000,"p99":1,"refused":2,"socketErrors":3}`, used: time.Second,
			err: "wrong answers: 2 of 3000 requests were refused, 3 connections failed",
		},
		{
			name: "no answers", out: `{"requests":0,"microseconds":1500000,"p99":0,"refused":0,"socketErrors":0}`, used: time.Second,
			err: "nothing was answered while wrk ran",
		},
		{
			name: "no line", out: preamble,
			err: `wrk printed "Running 1s test @ http://127.0.0.1:5000/\n  Requests/sec:  1\n": invalid character 'R' looking for beginning of value`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWrk(tt.out, tt.used)
			if text(err) != tt.err || got != tt.want {
				t.Errorf("%+v, %q\nwant %+v, %q", got, text(err), tt.want, tt.err)
			}
		})
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

func TestParseCPUs(t *testing.T) {
	cpus, err := parseCPUs("0-2,7")
	if diff := cmp.Diff([]string{"0", "1", "2", "7"}, cpus); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := parseCPUs("all"); text(err) != `/proc/self/status: Cpus_allowed_list "all" is no list of processors` {
		t.Errorf("no list: %v", err)
	}
}

func TestPrintTable(t *testing.T) {
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

// TestCompared_DividesRoundByRound checks which server each ratio has above the line.
func TestCompared_DividesRoundByRound(t *testing.T) {
	bare := []load{{100, 10 * time.Millisecond, 8 * time.Microsecond}, {50, 10 * time.Millisecond, 9 * time.Microsecond}}
	ours := []load{{90, 11 * time.Millisecond, 10 * time.Microsecond}, {45, 11 * time.Millisecond, 10 * time.Microsecond}}
	old := []load{{100, 11 * time.Millisecond, 16 * time.Microsecond}, {45, 11 * time.Millisecond, 9 * time.Microsecond}}
	c := shared.Case{What: "GET"}
	for _, tt := range []struct {
		name  string
		loads [][]load
		want  string
	}{
		{
			name: "without an old daemon", loads: [][]load{bare, ours},
			want: `| GET, 16 connections: by processor time, of bare | ≥ 0.88 | 0.85 | short | 0.80–0.90; 10.0 µs a request, bare 8.5 µs; requests a second 0.90 of bare |
| p99 of the GET, 16 connections, of bare | ≤ 1.15 | 1.10 | ok | 1.10–1.10; 11.00 ms, bare 10.00 ms |
`,
		},
		{
			name: "with an old daemon", loads: [][]load{bare, ours, old},
			want: `| GET, 16 connections: requests a second, new/old | ≥ 0.95 | 0.95 | ok | 0.90–1.00; new 68, old 72 |
| GET, 16 connections: by processor time, of bare | ≥ 0.88 | 0.85 | short | 0.80–0.90; 10.0 µs a request, bare 8.5 µs, old 12.5 µs (0.75); requests a second 0.90 of bare |
| p99 of the GET, 16 connections, of bare | ≤ 1.15 | 1.10 | ok | 1.10–1.10; 11.00 ms, bare 10.00 ms |
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, latency := compared(c, 16, 0.88, tt.loads)
			var b strings.Builder
			printTable(&b, append(rows, latency))
			_, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewBench_RefusesWhatCannotBeMeasured(t *testing.T) {
	const builds = ": no such file or directory; make bench builds the daemon and the bare server, BASE names an older build, PEER one of ecs-local"
	for args, want := range map[string]string{
		"-connections 16,":                      "-connections 16,: want numbers with commas between, as in 16,256",
		"-parts start,stop":                     `-parts start,stop: there is no part "stop", but requests,containers,start,memory,sizes,go,reloads,simulation,observability`,
		"-identities -parts requests":           `-parts requests: there is no part "requests", but memory,rate,cold,go`,
		"-identities -daemon /nowhere/daemon":   "stat /nowhere/daemon" + builds,
		"-cases leaf":                           "-cases leaf: there is no request of that name, but leaf-v1,leaf-v2,credentials,listing,token",
		"-seconds 0":                            "-rounds and -seconds: want at least 1",
		"-rounds -1":                            "-rounds and -seconds: want at least 1",
		"-daemon /nowhere/daemon":               "stat /nowhere/daemon" + builds,
		"-parts start -cases none":              "-cases none: there is no request of that name, but leaf-v1,leaf-v2,credentials,listing,token",
		"-daemon / -bare / -peer /nowhere/peer": "stat /nowhere/peer" + builds,
		"-daemon / -bare / -base /nowhere/old":  "stat /nowhere/old" + builds,
	} {
		t.Run(args, func(t *testing.T) {
			if _, err := newBench(strings.Fields(args)); text(err) != want {
				t.Errorf("%q\nwant %q", text(err), want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
