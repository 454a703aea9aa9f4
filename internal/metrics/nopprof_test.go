//go:build !pprof

package metrics

import "testing"

// TestProfiling_IsNotInReleases also opens an address that builds with profiles refuse.
func TestProfiling_IsNotInReleases(t *testing.T) {
	d := start(t, "metrics.listen=0.0.0.0:0")
	for _, path := range []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/cmdline"} {
		if got := d.status(t, path); got != 404 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

func TestListen_ForeignAddressIsAnError(t *testing.T) {
	const want = "metrics.listen: 192.0.2.1:5080: bind: cannot assign requested address; choose another address"
	if s, err := open(t, "192.0.2.1:5080", newFake()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
		if s != nil {
			s.Close()
		}
	}
}
