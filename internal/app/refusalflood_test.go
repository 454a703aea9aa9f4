package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// What refused clients send must not fill the memory, however many they are and whatever they send.
func TestRefusals_FloodCostsNoMemory(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "", "server.allow_clients=[10.0.0.0/8]")))
	long := strings.Repeat("%41", 2000)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			client := fmt.Sprintf("192.168.%d.%d:1", i/250, i%250)
			if i%2 == 0 {
				client = "10.1.1.1:1"
			}
			r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d/%s", i, long), nil)
			r.Host, r.RemoteAddr = fmt.Sprintf("h%d.%s.example", i, long), client
			r.Header.Set("Origin", fmt.Sprintf("http://%d.%s", i, long))
			r.Method = strings.Repeat("M", 5000)
			u.http.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	send(0, 1000)
	before := heap()
	send(1000, 10_000)
	if grown := heap() - before; grown > 200_000 {
		t.Errorf("%d bytes more after 9,000 refusals", grown)
	}
	all := u.Refusals(t.Context(), 0, false)
	if len(all) != 200 || all[199].Seq != 10_000 || all[0].Seq != 9801 {
		t.Errorf("%d refusals", len(all))
	}
	for _, f := range all {
		if len(f.Path) > maxRefusedPath || len(f.Method) > maxRefusedPath || len(f.Sentence) > 700 || len(f.Value) > 700 {
			t.Fatalf("a path of %d bytes, a method of %d, a sentence of %d, a value of %d", len(f.Path), len(f.Method), len(f.Sentence), len(f.Value))
		}
	}
	if n := u.guard.Refused(); n["clients"] != 5000 || n["hosts"] != 5000 {
		t.Errorf("counted %v", n)
	}
}
