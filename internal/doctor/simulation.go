package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
)

// findSimulation asks the daemon which events and faults it simulates, before all else: what is seen later may come of these.
func (d *doctor) findSimulation(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	loaded, err := config.Load(d.opt.Sources)
	if err != nil {
		loaded = nil // the first step says so
	}
	listen := app.ListenAddress(d.opt.Listen, loaded)
	if _, port, _ := net.SplitHostPort(listen); port == "0" {
		return
	}
	found, s, err := probe.First(ctx, app.Places(d.opt.Listen, listen))
	if err == nil && s.Simulation != nil {
		d.simulation = &simulation{found, s.Simulation}
	}
}

// simulation is what a daemon simulates.
type simulation struct {
	listen string
	*api.Simulation
}

func (d *doctor) isSimulating() bool { return d.simulation != nil }

// examineSimulation names the events and faults.
func (d *doctor) examineSimulation(context.Context) Finding {
	s := d.simulation
	if s.Hidden {
		return Finding{Mark: Note, Text: fmt.Sprintf("the daemon at %s simulates events or faults; run doctor on its machine for which", api.URL(s.listen))}
	}
	lines := []string{fmt.Sprintf("the daemon at %s simulates %s; clients see these, not a fault of the daemon", api.URL(s.listen),
		numbers(len(s.Events), len(s.Faults)))}
	for _, e := range s.Events {
		lines = append(lines, fmt.Sprintf("event %s: %s, %s; end it with: mock-ec2-metadata event cancel %s", e.ID, e.Kind, e.Phase, e.ID))
	}
	for _, f := range s.Faults {
		lines = append(lines, fmt.Sprintf("fault %s: %d hits; end it with: mock-ec2-metadata fault remove %s", f.ID, f.Hits, f.ID))
	}
	return Finding{Mark: Note, Text: strings.Join(lines, "\n")}
}

// numbers says how many events and faults there are.
func numbers(events, faults int) string {
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{events, "event"}, {faults, "fault"}} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+p.noun)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.noun))
		}
	}
	return strings.Join(parts, " and ")
}
