//go:build pprof

package metrics

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"net/netip"
)

// checkProfiling refuses an address that other machines can reach: profiles show the daemon's memory.
func checkProfiling(address string) error {
	if isLocal(address) {
		return nil
	}
	return fmt.Errorf("%s: %s is not a loopback address, and this build has profiles (build tag pprof); use 127.0.0.1 or unix: and a path, or a release", key, address)
}

// isLocal reports whether an address of metrics.listen is of this machine alone.
func isLocal(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err != nil || at.Addr().Unmap().IsLoopback() // no address: a socket
}

// addProfiling adds the pages of net/http/pprof, but for that of the command line: flags may be private.
func addProfiling(pages map[string]http.Handler) {
	const root = "/debug/pprof"
	pages[root] = http.HandlerFunc(pprof.Index)
	pages[root+"/profile"] = http.HandlerFunc(pprof.Profile)
	pages[root+"/symbol"] = http.HandlerFunc(pprof.Symbol)
	pages[root+"/trace"] = http.HandlerFunc(pprof.Trace)
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		pages[root+"/"+name] = pprof.Handler(name)
	}
}
