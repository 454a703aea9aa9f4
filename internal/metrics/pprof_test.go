//go:build pprof

package metrics

import (
	"strings"
	"testing"
)

func TestProfiling_IsOfThisMachineAlone(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:5080"} {
		want := "metrics.listen: " + address + " is not a loopback address, and this build has profiles (build tag pprof); use 127.0.0.1 or unix: and a path, or a release"
		if s, err := open(t, address, newFake()); err == nil || err.Error() != want {
			t.Errorf("%s: %v", address, err)
			if s != nil {
				s.Close()
			}
		}
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + shortDir(t) + "/m.sock"} {
		s, err := open(t, address, newFake())
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		s.Close()
	}
}

// TestProfiling_HasTheGuardsRules also checks that a profile may take longer than other answers, and that there is no command line.
func TestProfiling_HasTheGuardsRules(t *testing.T) {
	d := start(t)
	for path, want := range map[string]int{
		"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/profile?seconds=1": 200,
		"/debug/pprof/trace?seconds=1": 200, "/debug/pprof/symbol": 200, "/debug/pprof/cmdline": 404, "/debug/pprof/none": 404,
	} {
		if got := ask(t, "GET", d.base+path); got.status != want {
			t.Errorf("%s: %d %.100s, want %d", path, got.status, got.body, want)
		}
		if got := ask(t, "GET", d.base+path, "Host: rebind.example"); got.status != 403 {
			t.Errorf("%s of a foreign Host: %d", path, got.status)
		}
		if got := ask(t, "GET", d.url+strings.TrimPrefix(path, "/")); got.status != 404 {
			t.Errorf("%s at the metadata service: %d", path, got.status)
		}
	}
}
