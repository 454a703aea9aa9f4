package app

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/testutil"
)

// slowEngine takes its time to find a container.
type slowEngine struct {
	*engine
	delay time.Duration
}

func (e slowEngine) Locate(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	time.Sleep(e.delay)
	return e.engine.Locate(ctx, a)
}

// hangingHTTP never answers.
type hangingHTTP struct{}

func (hangingHTTP) Do(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, errors.New("no answer")
}

// The container engine and STS together may take no longer than each alone.
func TestContainers_NothingIsHeldOverASecond(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, ".aws/credentials", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = made-up\n")
	synctest.Test(t, func(t *testing.T) {
		testutil.Write(t, "conf/config.yaml", strings.Replace(withContainers, "mock: true", "source_profile: default", 1)+"ecs: {by_path: true, authorization: s}\n")
		e := slowEngine{&engine{workloads: map[string]*caller.Workload{}}, 800 * time.Millisecond}
		opt := options(load(t, ""))
		opt.HTTP = hangingHTTP{}
		opt.Containers = func(config.Containers) (Locator, error) { return e, nil }
		u := newUnserved(t, opt)
		u.begin(t)
		e.put("172.20.0.2", "web")
		id := ecs.ID(u.State().Secret.Key(), "web", containerID("172.20.0.2"))
		for _, path := range []string{"/v2/credentials/" + id, "/creds", "/latest/meta-data/iam/security-credentials/web"} {
			began := time.Now()
			code, body := u.answer(path, "172.20.0.2:1", "Authorization", "s")
			if took := time.Since(began); took > caller.Wait || code != http.StatusServiceUnavailable {
				t.Errorf("%.12s: %d %s after %v", path, code, body, took)
			}
		}
	})
}
