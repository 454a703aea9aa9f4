package sts

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// BenchmarkPool_Memory reports what an on-demand keeper takes that has fetched credentials: heap and stack, after the
// collector has run. The fake STS is gone by then.
func BenchmarkPool_Memory(b *testing.B) {
	const roles = 1000
	for b.Loop() {
		url, stop := closableSTS(b)
		b.Setenv("AWS_ENDPOINT_URL_STS", url)
		transport := &http.Transport{}
		opt := Options{HTTP: &http.Client{Transport: transport}}.WithDefaults()
		pool := credentials.NewPool(credentials.PoolOptions{Provide: func(s credentials.Spec) credentials.Provider { return NewProvider(s, opt) }})
		pool.Start(b.Context())
		fetch(b, pool, 0, 1) // what is made once
		heap, stack := memory()
		fetch(b, pool, 1, roles+1)
		stop()
		transport.CloseIdleConnections()
		heapAfter, stackAfter := memory()
		b.ReportMetric((heapAfter-heap)/roles, "heap-bytes/keeper")
		b.ReportMetric((stackAfter-stack)/roles, "stack-bytes/keeper")
		pool.Close()
	}
}

// fetch asks keepers for sessions of these numbers until each has credentials.
func fetch(b *testing.B, pool *credentials.Pool, from, to int) {
	b.Helper()
	var clients sync.WaitGroup
	for i := from; i < to; i++ {
		spec := roleSpec()
		spec.SessionName, spec.RefreshBefore = fmt.Sprintf("i-%d", i), 25*time.Minute
		clients.Go(func() {
			for {
				_, err := pool.Keeper(spec).Get(b.Context())
				if err == nil {
					return
				}
				if e, ok := errors.AsType[*credentials.Error](err); !ok || !e.Temporary {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// closableSTS starts a fake STS with a profile that may use it. After stop, nothing of it is in memory.
func closableSTS(b *testing.B) (url string, stop func()) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	fake := stsfake.New()
	key := fake.AddUser("developer")
	fake.AddRole(roleARN)
	testutil.Write(b, filepath.Join(testutil.IsolateHome(b), ".aws", "credentials"), keys("default", key))
	served := make(chan error, 1)
	go func() { served <- fake.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() {
		if err := fake.Close(); err != nil {
			b.Error(err)
		}
		if err := <-served; err != nil {
			b.Error(err)
		}
		fake = nil
	}
}

// memory is what heap and stacks take, in bytes.
func memory() (heap, stack float64) {
	for range 3 { // each halves stacks that are too large
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}
