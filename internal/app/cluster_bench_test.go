package app

import (
	"io"
	"net/http"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
)

// podRequest is a GET of its credentials by a pod of a daemon that knows pods, which was answered before.
func podRequest(tb testing.TB) (http.Handler, *reused) {
	tb.Helper()
	u, p, _ := cluster(tb, withCluster, func(opt *Options) {
		lines := web.NewLineWriter(io.Discard, func(int) {})
		tb.Cleanup(lines.Close)
		opt.AccessLog = lines
	})
	for _, address := range []string{"10.244.0.2", "10.244.0.3", "10.244.0.4"} {
		p.put(address, "shop/cart-"+address, roleOf, "cart")
	}
	return u.http, askedBefore(tb, u.http, "10.244.0.3:40000", rolesPath+"cart")
}

// fixedRequest is the same of a daemon that has one target for all.
func fixedRequest(tb testing.TB) (http.Handler, *reused) {
	tb.Helper()
	p := newInProcess(tb, "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/cart'}\nserver: {allow_clients: [0.0.0.0/0]}\n")
	return p.http, askedBefore(tb, p.http, "10.244.0.3:40000", rolesPath+"cart")
}

func askedBefore(tb testing.TB, handler http.Handler, from, path string) *reused {
	tb.Helper()
	e := newReused(http.MethodGet, "/latest/"+path, nil)
	e.request.RemoteAddr = from
	e.do(handler)
	testutil.Eventually(tb, "credentials of "+from, func() bool {
		e.do(handler)
		return e.status == http.StatusOK && len(e.body) > 0
	})
	return e
}

// TestHandler_PodAllocatesNothingMore compares a pod of a cluster with a client of a daemon that has one target.
func TestHandler_PodAllocatesNothingMore(t *testing.T) {
	average := func(handler http.Handler, e *reused) float64 {
		return testing.AllocsPerRun(1000, func() { e.do(handler) })
	}
	one, pod := average(fixedRequest(t)), average(podRequest(t))
	t.Logf("%v allocations of a pod, %v with one target", pod, one)
	if pod-one > raceAllocations {
		t.Errorf("%v allocations of a pod, %v with one target", pod, one)
	}
}

// BenchmarkCluster answers a pod's GET of its credentials, and the same by a daemon with one target.
func BenchmarkCluster(b *testing.B) {
	for name, request := range map[string]func(testing.TB) (http.Handler, *reused){"fixed": fixedRequest, "pods": podRequest} {
		b.Run(name, func(b *testing.B) {
			handler, e := request(b)
			b.ReportAllocs()
			for b.Loop() {
				e.do(handler)
			}
		})
	}
}
