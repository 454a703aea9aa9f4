//go:build kube && linux

package kube

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// firstRequest is what a pod of a burst does first: it asks for its credentials, and prints the time that took, in seconds, and what came.
const firstRequest = `read -r began rest </proc/uptime
wget -q -O /tmp/got ` + rolesPath + `%s 2>/tmp/err; code=$?
read -r ended rest </proc/uptime
echo "$began $ended $code"; cat /tmp/err /tmp/got 2>/dev/null | tr '\n' ' '; echo
exec sleep 1000`

// A first is how the first request of a pod of a burst went.
type first struct {
	took     time.Duration // to 10 ms
	ok       bool          // status below 400
	document string        // or what wget says
}

// burst makes n pods at once, each with a role, and returns how their first requests went.
func (p *product) burst(t *testing.T, n int, role func(i int) string) []first {
	t.Helper()
	ns := p.namespace(t, nil)
	for i := range n {
		spec := annotated(role(i))
		spec.script, spec.direct = fmt.Sprintf(firstRequest, role(i)), true
		p.api.createPod(t, ns, fmt.Sprintf("client-%d", i), spec)
	}
	all := make([]first, n)
	for i := range n {
		all[i] = p.firstOf(t, ns, fmt.Sprintf("client-%d", i))
	}
	p.api.do(t, http.MethodDelete, "/api/v1/namespaces/"+ns+"/pods?gracePeriodSeconds=0", nil, nil)
	testutil.EventuallyWithin(t, 2*time.Minute, "end of the pods", func() bool {
		var list struct{ Items []pod }
		p.api.do(t, http.MethodGet, "/api/v1/namespaces/"+ns+"/pods", nil, &list)
		return len(list.Items) == 0
	})
	return all
}

// firstOf reads the log of a pod of a burst where the node has it.
func (p *product) firstOf(t *testing.T, namespace, name string) first {
	t.Helper()
	pattern := filepath.Join(p.run, "node", "log", "pods", namespace+"_"+name+"_*", "main", "*.log")
	var lines []string
	testutil.EventuallyWithin(t, 2*time.Minute, "first request of "+name, func() bool {
		files, _ := filepath.Glob(pattern)
		if len(files) == 0 {
			return false
		}
		text, err := os.ReadFile(files[0])
		lines = strings.SplitN(strings.TrimSpace(string(text)), "\n", 2)
		return err == nil && len(lines) == 2 && strings.HasSuffix(string(text), "\n")
	})
	message := func(line string) string { return strings.SplitN(line, " ", 4)[3] } // after time, stream and tag
	fields := strings.Fields(message(lines[0]))
	began, err := strconv.ParseFloat(fields[0], 64)
	ended, err2 := strconv.ParseFloat(fields[1], 64)
	if err != nil || err2 != nil {
		t.Fatalf("the log of %s is %q", name, lines)
	}
	return first{time.Duration((ended - began) * float64(time.Second)), fields[2] == "0", message(lines[1])}
}

// quantiles are the median, the 90th percentile and the maximum.
func quantiles(all []first) (p50, p90, most time.Duration) {
	took := make([]time.Duration, len(all))
	for i := range all {
		took[i] = all[i].took
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*9/10], took[len(took)-1]
}

// TestBurst_HundredPodsEachGetTheirRoleAtOnce has 50 pods with roles of their own, and 50 with one.
func TestBurst_HundredPodsEachGetTheirRoleAtOnce(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-shared")
	for i := range 50 {
		p.addRole(t, fmt.Sprintf("app-burst-%d", i))
	}
	role := func(i int) string {
		if i < 50 {
			return fmt.Sprintf("app-burst-%d", i)
		}
		return "app-shared"
	}
	all := p.burst(t, 100, role)
	failed := 0
	for i, f := range all {
		if !f.ok {
			failed++
			t.Errorf("pod %d: %s", i, f.document)
			continue
		}
		p.laptop.wantRole(t, f.document, role(i))
	}
	p50, p90, most := quantiles(all)
	t.Logf("%d of 100 first requests failed; p50 %v, p90 %v, max %v; found by %v", failed, p50, p90, most, p.status(t).Kubernetes.Lookups)
	if n := p.calls("app-shared"); n != 1 {
		t.Errorf("50 pods of one role made %d STS calls, want 1", n)
	}
}

func TestBurst_PrefetchedCredentialsWaitForNoSTS(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-slow")
	p.laptop.sts.Delay(1500*time.Millisecond, "AssumeRole")
	defer p.laptop.sts.Recover()
	ns := p.namespace(t, nil)
	spec := annotated("app-slow")
	spec.direct = true
	made := p.runPod(t, ns, "client", spec)
	testutil.EventuallyWithin(t, 10*time.Second, "STS call before any request", func() bool { return p.calls("app-slow") == 1 })
	testutil.EventuallyWithin(t, 10*time.Second, "session", func() bool {
		return slices.ContainsFunc(p.status(t).Kubernetes.Sessions, func(s api.Session) bool { return s.Role == "app-slow" && s.Credentials.ARN != "" })
	})
	m := p.ofPod(t, made)
	began := time.Now()
	p.laptop.wantRole(t, m.get(t, rolesPath+"app-slow").want(t, http.StatusOK), "app-slow")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first request took %v", took)
	}
	if n := p.calls("app-slow"); n != 1 {
		t.Errorf("%d STS calls, want 1", n)
	}
}

// TestWatchAlone_NoneGetsAnothersRoleOrTheDefault does not ask the kernel, so that first requests come too early.
func TestWatchAlone_NoneGetsAnothersRoleOrTheDefault(t *testing.T) {
	p := withConfig(t, "watch")
	for i := range 40 {
		p.addRole(t, fmt.Sprintf("app-watch-%d", i))
	}
	role := func(i int) string { return fmt.Sprintf("app-watch-%d", i) }
	all := p.burst(t, 40, role)
	early := 0
	for i, f := range all {
		if f.ok {
			p.laptop.wantRole(t, f.document, role(i))
			continue
		}
		early++
		if !strings.Contains(f.document, " 503 ") {
			t.Errorf("pod %d: %s", i, f.document)
		}
	}
	p50, p90, most := quantiles(all)
	t.Logf("%d of 40 came too early for the watch; p50 %v, p90 %v, max %v", early, p50, p90, most)
	if s := p.status(t).Kubernetes; slices.Contains(s.Find, "proc") {
		t.Errorf("find is %v", s.Find)
	}
}

func TestWatchAlone_HostWithoutARuleHasNoRole(t *testing.T) {
	p := withConfig(t, "watch")
	p.wantNone(t, p.machine)
}

func TestWatchAlone_PodThatNamesNoRoleGetsTheDefaultOne(t *testing.T) {
	p := withConfig(t, "watch")
	_, m := p.client(t, podSpec{})
	p.wantSoonGets(t, m, "app-default")
}
