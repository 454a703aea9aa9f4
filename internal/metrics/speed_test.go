package metrics

import (
	"testing"
	"time"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// TestMetrics_CountingAllocatesNothing covers what is called while a client waits.
func TestMetrics_CountingAllocatesNothing(t *testing.T) {
	m := New("test", time.Now)
	role := app.Role{Name: "web", Account: "123456789012"}
	m.Renewed(role, true)
	call := sts.Call{Operation: "AssumeRole", Outcome: sts.Refused, Code: "AccessDenied", Took: time.Second}
	m.Called(call)
	for name, count := range map[string]func(){
		"Request":  func() { m.Request(web.RouteMetaData, 200, "v2") },
		"other":    func() { m.Request(web.RouteECS, 599, "v1") },
		"Token":    func() { m.Token(imds.Issued) },
		"Called":   func() { m.Called(call) },
		"Renewed":  func() { m.Renewed(role, false) },
		"Waited":   func() { m.Waited(time.Second, false) },
		"Reloaded": func() { m.Reloaded(true) },
		"FaultHit": func() { m.FaultHit("status") },
		"Located":  func() { m.Located(time.Millisecond) },
		"Denied":   func() { m.Denied("unknown") },
	} {
		if n := testing.AllocsPerRun(100, count); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// BenchmarkMetrics_Request is what a request costs.
func BenchmarkMetrics_Request(b *testing.B) {
	m := New("test", time.Now)
	b.ReportAllocs()
	for b.Loop() {
		m.Request(web.RouteMetaData, 404, "v2")
	}
}
