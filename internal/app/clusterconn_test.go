package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/web"
)

// connection is one from 10.244.0.2, on which requests follow each other.
func connection(u *unserved) func(path string) *httptest.ResponseRecorder {
	ctx := web.WithConn(context.Background(), nil)
	return func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/latest/"+path, nil)
		r.Host, r.RemoteAddr = "169.254.169.254", "10.244.0.2:1"
		rec := httptest.NewRecorder()
		u.http.ServeHTTP(rec, r)
		return rec
	}
}

func wantRole(t *testing.T, rec *httptest.ResponseRecorder, role string) {
	t.Helper()
	if rec.Code != http.StatusOK || rec.Body.String() != role {
		t.Errorf("%d %q, want %q", rec.Code, rec.Body, role)
	}
}

func TestCluster_ConnectionIsConfirmedOnce(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "team/app", roleOf, "app-1")
	get := connection(u)
	for range 5 {
		wantRole(t, get(rolesPath), "app-1")
	}
	p.put("10.244.0.2", "team/app", roleOf, "app-2") // the same pod, another annotation
	wantRole(t, get(rolesPath), "app-2")
	if p.asked != 1 {
		t.Errorf("confirmed %d times, want once", p.asked)
	}
	wantRole(t, connection(u)(rolesPath), "app-2")
	if p.asked != 2 {
		t.Errorf("confirmed %d times, want once for each connection", p.asked)
	}
}

func TestCluster_ConnectionNeverChangesToAnotherPod(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "team/old", roleOf, "app-1")
	get := connection(u)
	wantRole(t, get(rolesPath), "app-1")
	p.put("10.244.0.2", "team/next", roleOf, "app-2")
	for range 2 {
		rec := get(rolesPath)
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Connection") != "close" || rec.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
	}
	wantRole(t, connection(u)(rolesPath), "app-2")
}

func TestCluster_ConnectionKeepsThePodThatTheKernelNames(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	next := p.put("10.244.0.2", "team/next", roleOf, "app-2")
	p.put("10.244.0.2", "team/old", roleOf, "app-1")
	p.confirm = func(*caller.Workload) (*caller.Workload, error) { return next, nil }
	get := connection(u)
	wantRole(t, get(rolesPath), "app-2")
	wantRole(t, get(rolesPath), "app-2") // the API is still late
	p.put("10.244.0.2", "team/next", roleOf, "app-2")
	wantRole(t, get(rolesPath), "app-2")
	if p.asked != 2 {
		t.Errorf("confirmed %d times, want 2", p.asked)
	}
}

func TestCluster_PodThatIsNotConfirmedGets503(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "team/app", roleOf, "app-1")
	p.confirm = func(*caller.Workload) (*caller.Workload, error) {
		return nil, fmt.Errorf("late: %w", caller.ErrUnknown)
	}
	get := connection(u)
	rec := get(rolesPath)
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Connection") != "" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	p.confirm = nil
	wantRole(t, get(rolesPath), "app-1")
}
