package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// hang makes a fault that answers no request of the metadata service.
func (d *daemon) hang(t *testing.T) {
	t.Helper()
	if _, _, err := d.PutFault("h", []byte(`{"match": {"paths": ["**"]}, "hang": true}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
}

func TestSimulation_HangLeavesStatusAndRefusalsAlone(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	d.hang(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, tt := range []struct {
		name, method, path, host, header string
		want                             int
	}{
		{name: "status", method: http.MethodGet, path: "status", want: http.StatusOK},
		{name: "another host name", method: http.MethodGet, path: "latest/meta-data/", host: "attacker.example", want: http.StatusForbidden},
		{name: "a web page", method: http.MethodGet, path: "latest/meta-data/", header: "Origin", want: http.StatusForbidden},
		{name: "a token through a proxy", method: http.MethodPut, path: "latest/api/token", header: "X-Forwarded-For", want: http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(ctx, tt.method, d.url+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = tt.host
			if tt.header != "" {
				r.Header.Set(tt.header, "http://attacker.example")
			}
			r.Header.Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("%s, want %d", resp.Status, tt.want)
			}
		})
	}
	if f, err := d.Fault("h"); err != nil || f.Hits != 0 {
		t.Errorf("%d hits, %v", f.Hits, err)
	}
}

func TestSimulation_StopDoesNotWaitForHangingRequests(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	d.hang(t)
	address, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("GET /latest/meta-data/mac HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the request hangs", func() bool {
		f, err := d.Fault("h")
		return err == nil && f.Hits == 1
	})
	began := time.Now()
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the stop took %v", took)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want ECONNRESET", n, err)
	}
}

func TestSimulation_GoneIsForItsClientsAlone(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	if _, _, err := d.PutEvent("x", []byte(`{"spot": "hibernate", "then": "gone", "clients": ["127.0.0.2"]}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WaitEvent(t.Context(), "x", "acted"); err != nil {
		t.Fatal(err)
	}
	from := &http.Client{
		Timeout:   200 * time.Millisecond,
		Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext},
	}
	if resp, err := from.Get(d.url + "latest/meta-data/mac"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("an affected client got %s", resp.Status)
	}
	if code, _ := d.get(t, "latest/meta-data/mac"); code != http.StatusOK {
		t.Errorf("another client: %d", code)
	}
}

func TestSimulation_MisfitAfterAReloadIsOneWarning(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	for id, body := range map[string]string{"misfit": `{"asg": "Standby"}`, "fits": `{"spot": "stop"}`} {
		if _, _, err := d.PutEvent(id, []byte(body), api.Peer{}); err != nil {
			t.Fatal(err)
		}
	}
	before := d.log.String()
	testutil.Write(t, "conf/config.yaml", eventsConfig+"metadata: {meta-data/autoscaling/target-lifecycle-state: InService}\n")
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	if events := d.Events(); len(events) != 1 || events[0].ID != "fits" {
		t.Errorf("%+v", events)
	}
	lines := strings.TrimPrefix(d.log.String(), before)
	if strings.Count(lines, `"level":"WARN","msg":"event ended","id":"misfit"`) != 1 || strings.Count(lines, "misfit") != 1 || strings.Contains(lines, `"fits"`) {
		t.Error(lines)
	}
}

func TestSimulation_AfterRequestsIsExactWhenManyAskAtOnce(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	for range 20 {
		if _, _, err := d.PutEvent("x", []byte(`{"set": {"meta-data/x": "1"}, "after_requests": {"count": 3, "path": "meta-data/x"}}`), api.Peer{}); err != nil {
			t.Fatal(err)
		}
		var absent atomic.Int64
		var clients sync.WaitGroup
		for range 10 {
			clients.Go(func() {
				if code, _ := fetch(t, d.url+"latest/meta-data/x"); code == http.StatusNotFound {
					absent.Add(1)
				}
			})
		}
		clients.Wait()
		if absent.Load() != 3 {
			t.Errorf("%d of 10 saw the old tree, want 3", absent.Load())
		}
		if e, err := d.Event("x"); err != nil || e.Hits != 7 {
			t.Errorf("%d hits, %v", e.Hits, err)
		}
		if err := d.DeleteEvents("x", api.Peer{}); err != nil {
			t.Fatal(err)
		}
	}
}
