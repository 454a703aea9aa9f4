package app

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
)

// TestStream_SlowClientCostsNoMemory has more bytes in each batch than a socket takes of a client that does not read.
func TestStream_SlowClientCostsNoMemory(t *testing.T) {
	c := startStreamed(t)
	slow := c.open("?topics=requests,refusals") // never read
	_ = slow
	f := c.open("?topics=requests,refusals")
	read := make(chan int64)
	go func() {
		missing, got := int64(0), int64(0)
		for got+missing < 100_000 {
			e, ok := f.next()
			if !ok {
				break
			}
			switch e.name {
			case "lagged":
				var l api.Lagged
				_ = json.Unmarshal([]byte(e.data), &l)
				missing += l.Dropped
			case "requests":
				got += int64(strings.Count(e.data, `"seq"`))
			}
		}
		read <- got + missing
	}()
	burst := func(n int) {
		path := "/latest/" + strings.Repeat("x", 1000)
		for range n {
			c.record(&web.Record{Client: "10.1.1.1", Method: "GET", Path: path, IMDS: "v1", Status: 404})
		}
	}
	burst(2000)
	testutil.Eventually(t, "a stream waits for its client", func() bool {
		burst(10)
		return goroutines("control.(*stream).run") == 2 && strings.Contains(stacks(), "waitWrite")
	})
	before := heap()
	for range 98 {
		burst(1000)
		if status, _ := c.get(t, "latest/meta-data/mac"); status != http.StatusOK { // the daemon is not blocked
			t.Fatal(status)
		}
	}
	if sum := <-read; sum < 100_000 {
		t.Errorf("%d requests were sent or said to be missing", sum)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d bytes more", grown)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
