package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// Limits of the process. MB are 10^6 bytes.
const (
	wantedStart         = 12.0 // ms
	wantedStartNewToOld = 1.05 // ratio of the medians
	wantedIdle          = 14.0 // MB
	wantedLoaded        = 26.0 // MB
	wantedSize          = 16.0 // MB
	wantedImage         = 16.7 // MB
	megabyte            = 1e6
)

// program is one that start and memory compare.
type program struct {
	name   string // new, bare or old
	path   string
	args   []string
	starts []float64 // ms
}

// programs returns the new daemon, the bare server and, if there is one, the old daemon, each with its arguments.
func (b *bench) programs(ctx context.Context, daemonArgs ...string) ([]*program, error) {
	answer, err := b.leafAnswer(ctx)
	if err != nil {
		return nil, err
	}
	all := []*program{
		{name: "new", path: b.daemon, args: daemonArgs},
		{name: "bare", path: b.bare, args: []string{"--answer", answer}},
	}
	if b.base != "" {
		all = append(all, &program{name: "old", path: b.base, args: daemonArgs})
	}
	return all, nil
}

// start measures the time from the start of the process to its first 200, on the embedded default.
func (b *bench) start(ctx context.Context) error {
	const times = 20
	programs, err := b.programs(ctx)
	if err != nil {
		return err
	}
	for range times {
		for _, p := range programs {
			s, err := b.launch(ctx, "", p.path, p.args...)
			if err != nil {
				return err
			}
			_ = s.stop() // by a signal, which the bare server dies of
			p.starts = append(p.starts, milliseconds(s.startup))
		}
	}
	ours, bare := programs[0].starts, programs[1].starts
	what := fmt.Sprintf("start to first 200 (median of %d), embedded default", times)
	b.rows = append(b.rows, atMost(what, "%.1f ms", wantedStart, median(ours),
		fmt.Sprintf("%s; bare %.1f ms", spread("%.1f", ours), median(bare))))
	if len(programs) > 2 {
		old := programs[2].starts
		b.rows = append(b.rows, atMost(what+", new/old", "%.2f", wantedStartNewToOld, median(ours)/median(old),
			fmt.Sprintf("old %.1f ms, %s", median(old), spread("%.1f", old))))
	}
	return nil
}

// leafAnswer returns a file with the daemon's answer to the plain GET.
func (b *bench) leafAnswer(ctx context.Context) (string, error) {
	s, err := b.launch(ctx, "", b.daemon)
	if err != nil {
		return "", err
	}
	defer func() { _ = s.stop() }()
	_, file, err := b.capture(shared.Cases()[0], s)
	return file, err
}

// memory measures the resident memory, idle and after load.
func (b *bench) memory(ctx context.Context) error {
	file, err := b.configFile("small", configuration)
	if err != nil {
		return err
	}
	programs, err := b.programs(ctx, "--config", file)
	if err != nil {
		return err
	}
	const connections = 256
	length := 10
	if b.short {
		length, programs = 2, programs[:1]
	}
	var idle, loaded []float64
	var idlePeers, loadedPeers []string
	for _, p := range programs {
		before, after, err := b.memoryOf(ctx, connections, length, p.path, p.args...)
		if err != nil {
			return err
		}
		idle, loaded = append(idle, before), append(loaded, after)
		if p.name != "new" {
			idlePeers = append(idlePeers, fmt.Sprintf("%s %.1f MB", p.name, before))
			loadedPeers = append(loadedPeers, fmt.Sprintf("%s %.1f MB", p.name, after))
		}
	}
	b.rows = append(b.rows,
		atMost("resident memory, idle after 2 s", "%.1f MB", wantedIdle, idle[0], strings.Join(idlePeers, ", ")),
		atMost(fmt.Sprintf("resident memory after %d s of load at %d connections", length, connections), "%.1f MB", wantedLoaded, loaded[0],
			strings.Join(loadedPeers, ", ")))
	return nil
}

// memoryOf starts a program anew and returns MB.
func (b *bench) memoryOf(ctx context.Context, connections, length int, program string, args ...string) (idle, loaded float64, err error) {
	s, err := b.launch(ctx, "", program, args...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.stop() }()
	if err := settle(ctx); err != nil {
		return 0, 0, err
	}
	before, err := s.resident()
	if err != nil {
		return 0, 0, err
	}
	c := shared.Cases()[0]
	if _, err := b.wrk(ctx, s, connections, length, c.Method, c.Path, nil); err != nil {
		return 0, 0, err
	}
	after, err := s.resident()
	return float64(before) / megabyte, float64(after) / megabyte, err
}

// sizes measures the binary, and the image if there is one.
func (b *bench) sizes(ctx context.Context) error {
	info, err := os.Stat(b.daemon)
	if err != nil {
		return err
	}
	var detail string
	if b.base != "" {
		old, err := os.Stat(b.base)
		if err != nil {
			return err
		}
		detail = fmt.Sprintf("old %.1f MB", float64(old.Size())/megabyte)
	}
	b.rows = append(b.rows, atMost("stripped binary", "%.1f MB", wantedSize, float64(info.Size())/megabyte, detail))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "image", "inspect", "--format", "{{.Size}}", "mock-ec2-metadata").Output()
	size, err2 := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if errors.Join(err, err2) != nil {
		b.rows = append(b.rows, row{
			"image", fmt.Sprintf("≤ %.1f MB", wantedImage), "", "", "not measured: no Docker engine, or no image (make image)",
		})
		return nil
	}
	b.rows = append(b.rows, atMost("image", "%.1f MB", wantedImage, size/megabyte, ""))
	return nil
}

// reloads makes requests while a large configuration is reloaded again and again.
func (b *bench) reloads(ctx context.Context) error {
	const connections, every = 16, 500 * time.Millisecond
	i := len(shared.Scales()) - 2
	scale := shared.Scales()[i]
	file, err := b.configFile(scale.Name, scale.Config)
	if err != nil {
		return err
	}
	s, err := b.launch(ctx, b.serverCPUs, b.daemon, "--config", file)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	if err := settle(ctx); err != nil {
		return err
	}
	length := 3
	if b.short {
		length = 1
	}
	measure := func() (load, error) {
		return b.wrk(ctx, s, connections, length, http.MethodGet, scale.Leaves[0].Path, nil)
	}
	quiet, err := measure()
	if err != nil {
		return err
	}
	if err := s.emptyLog(); err != nil {
		return err
	}
	reloading, end := context.WithCancel(ctx)
	defer end()
	go func() {
		for reloading.Err() == nil {
			_ = s.cmd.Process.Signal(syscall.SIGHUP)
			select {
			case <-reloading.Done():
			case <-time.After(every):
			}
		}
	}()
	busy, err := measure()
	if err != nil {
		return err
	}
	end()
	log, err := os.ReadFile(s.log)
	if err != nil {
		return err
	}
	times := strings.Count(string(log), `msg="configuration reloaded"`)
	if times == 0 {
		return errors.New("the configuration was not reloaded")
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("GETs that fail during reloads of %s, %d connections", scale.What, connections), "0", "0", verdict(true),
		fmt.Sprintf("%d reloads in %d s; %s GETs a second, %s without reloads; p99 %.1f ms and %.1f ms", times, length,
			thousands(busy.perSecond), thousands(quiet.perSecond), milliseconds(busy.p99), milliseconds(quiet.p99)),
	})
	return nil
}
