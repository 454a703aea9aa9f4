//go:build linux

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// podsAtRate is how many pods the node has while requests are measured: as many as a kubelet runs by default.
const podsAtRate = 110

// measureAll measures the memory with ever more pods and, with few, requests.
func (w *world) measureAll(ctx context.Context) error {
	rest := 10 * time.Second
	sizes := []int{podsAtRate, 1000, 10_000}
	if w.short {
		rest, sizes = 2*time.Second, []int{podsAtRate, 300, 1000}
	}
	limits := []float64{0, wantedThousand, wantedMany}
	stands := []float64{0, documented.thousand, documented.many}
	have := 0
	for i, size := range sizes {
		if err := w.api.AddPods(ctx, nodeName, have, size, map[string]string{annotation: roleName}); err != nil {
			return err
		}
		have = size
		if size == podsAtRate {
			if err := w.rates(ctx); err != nil {
				return err
			}
			continue
		}
		if err := w.memory(ctx, size, rest, limits[i], stands[i]); err != nil {
			return err
		}
	}
	return nil
}

// memory measures fresh processes a while after they know so many pods.
func (w *world) memory(ctx context.Context, pods int, rest time.Duration, limit, stand float64) error {
	var all []usage
	for _, launch := range []func() (*process, error){
		func() (*process, error) { return w.ours(ctx, pods) },
		func() (*process, error) { return w.theirs(ctx) },
	} {
		if len(all) == 1 && w.peer == "" {
			break
		}
		u, err := w.rested(ctx, launch, rest)
		if err != nil {
			return err
		}
		all = append(all, u)
	}
	c := comparison{
		what: fmt.Sprintf("resident memory with %d pods", pods), format: "%.1f MB", limit: limit, ours: all[0].resident, theirs: stand, documented: true,
		detail: "ours: " + all[0].String(),
	}
	if len(all) == 2 {
		c.theirs, c.documented = all[1].resident, false
		c.detail += "; kube2iam: " + all[1].String()
	}
	r := c.row()
	if w.short { // with fewer pods than the limits are for
		r = row{What: c.what, Got: fmt.Sprintf(c.format, c.ours), Detail: "ours: " + all[0].String()}
	}
	w.rows = append(w.rows, r)
	return nil
}

func (w *world) rested(ctx context.Context, launch func() (*process, error), rest time.Duration) (usage, error) {
	p, err := launch()
	if p != nil {
		defer p.stop()
	}
	if err != nil {
		return usage{}, err
	}
	select {
	case <-ctx.Done():
		return usage{}, ctx.Err()
	case <-time.After(rest):
	}
	return p.usage()
}

// server is what is asked for credentials.
type server struct {
	process *process
	url     string
	rates   []float64 // GETs a second, by round
	cpu     []float64 // µs of processor time of each
}

// rates asks all programs for credentials from a pod's address, in turn.
func (w *world) rates(ctx context.Context) error {
	launches := []func() (*process, error){
		func() (*process, error) { return w.ours(ctx, podsAtRate) },
		func() (*process, error) { return w.plainDaemon(ctx) },
		func() (*process, error) { return w.theirs(ctx) },
	}
	ports := []string{ownPort, plainPort, peerPort}
	if w.peer == "" {
		launches = launches[:2]
	}
	var all []*server
	for i, launch := range launches {
		p, err := launch()
		if p != nil {
			defer p.stop()
		}
		if err != nil {
			return err
		}
		all = append(all, &server{process: p, url: "http://" + net.JoinHostPort(bridgeIP, ports[i]) + rolePath})
	}
	for round := -1; round < w.rounds; round++ { // the first is no figure: it gets the credentials
		for i := range all {
			s := all[(i+max(round, 0))%len(all)]
			rate, cpu, err := w.wrk(ctx, s)
			if err != nil {
				return err
			}
			if round >= 0 {
				s.rates, s.cpu = append(s.rates, rate), append(s.cpu, cpu)
			}
		}
	}
	w.rows = append(w.rows, rateRows(all)...)
	return nil
}

// rateRows compares ours, the plain daemon and, if it is there, kube2iam.
func rateRows(all []*server) []row {
	ours, plain := all[0], all[1]
	rate := comparison{
		what: "GET of a pod's credentials, 16 connections: requests a second", format: "%.0f", limit: wantedRate, atLeast: true,
		ours: median(ours.rates), theirs: documented.rate, documented: true,
	}
	cpu := comparison{
		what: "the same: processor time of each", format: "%.1f µs", limit: wantedCPU, ours: median(ours.cpu), theirs: documented.cpu, documented: true,
	}
	if len(all) == 3 {
		rate.theirs, rate.documented = median(all[2].rates), false
		rate.detail = "rounds " + spread("%.2f", ratios(ours.rates, all[2].rates))
		cpu.theirs, cpu.documented = median(all[2].cpu), false
		cpu.detail = "rounds " + spread("%.2f", ratios(ours.cpu, all[2].cpu))
	}
	choice := ratios(ours.rates, plain.rates)
	got := median(choice)
	return []row{rate.row(), cpu.row(), {
		"the same: requests a second, of the plain daemon's with one role", fmt.Sprintf("≥ %.2f", wantedChoice), fmt.Sprintf("%.2f", got),
		verdict(got >= wantedChoice),
		fmt.Sprintf("%s; plain %.0f, %.1f µs each; by processor time %.2f", spread("%.2f", choice), median(plain.rates), median(plain.cpu),
			median(ratios(plain.cpu, ours.cpu))),
	}}
}

// wrk asks a server from the pod for some seconds.
func (w *world) wrk(ctx context.Context, s *server) (perSecond, microseconds float64, err error) {
	script := filepath.Join(w.dir, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o600); err != nil {
		return 0, 0, err
	}
	before, err := s.process.usage()
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(ctx, "nsenter", "--net="+podNetns, "wrk", "-t", "1", "-c", "16", "-d", strconv.Itoa(w.seconds)+"s",
		"--timeout", "10s", "-s", script, s.url).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := s.process.usage()
	if err != nil {
		return 0, 0, err
	}
	perSecond, microseconds, err = parseWrk(string(out), after.cpu-before.cpu)
	if err != nil {
		return 0, 0, errors.Join(err, s.process.failed("answers wrongly"))
	}
	return perSecond, microseconds, nil
}

// parseWrk reads the line that the script prints last. Wrong answers are an error; slow ones are not.
func parseWrk(out string, used time.Duration) (perSecond, microseconds float64, err error) {
	line := out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:]
	var got struct{ Requests, Microseconds, Refused, SocketErrors float64 }
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		return 0, 0, fmt.Errorf("wrk printed %q: %w", out, err)
	}
	switch {
	case got.Refused+got.SocketErrors > 0:
		return 0, 0, fmt.Errorf("wrong answers: %.0f of %.0f requests were refused, %.0f connections failed", got.Refused, got.Requests, got.SocketErrors)
	case got.Requests == 0 || used <= 0:
		return 0, 0, errors.New("nothing was answered while wrk ran")
	}
	return got.Requests / (got.Microseconds / 1e6), float64(used) / float64(time.Microsecond) / got.Requests, nil
}
