package docker

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// dockerStats are Docker 20.10's, shortened. The network may be left out.
func dockerStats(second int, cpu int, network string) string {
	return fmt.Sprintf(`{"read":"2026-11-29T20:22:%02d.5Z","preread":"0001-01-01T00:00:00Z","num_procs":0,"cpu_stats":{"cpu_usage":{"total_usage":%d}},`+
		`"precpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{"usage":548864},"name":"/web","id":"a"%s}`, second, cpu, network)
}

func traffic(rx, tx int) string {
	return fmt.Sprintf(`,"networks":{"eth0":{"rx_bytes":%d,"rx_packets":19,"tx_bytes":5},"eth1":{"rx_bytes":1000,"tx_bytes":%d}}`, rx, tx)
}

// answerStats sets what the engine says of container a.
func (b *bench) answerStats(text string) {
	b.engine.set(func() {
		c := b.engine.containers["a"]
		c.stats = text
		b.engine.containers["a"] = c
	})
}

// stats asks for those of container a, late enough to be no old answer.
func (b *bench) stats() *caller.Stats {
	b.Helper()
	time.Sleep(remembered)
	synctest.Wait()
	s, err := b.Stats(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// remembered is the number of containers whose figures are remembered.
func (b *bench) remembered() int {
	b.asked.samples.mu.Lock()
	defer b.asked.samples.mu.Unlock()
	return len(b.asked.samples.byID)
}

func TestStats_SecondOnesHaveTheFirstAsBefore(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		first := dockerStats(10, 100, traffic(2000, 50))
		b.answerStats(first + "\n")
		if s := b.stats(); string(s.Docker) != first || s.Rates {
			b.Errorf("first %s, %+v", s.Docker, s)
		}
		b.answerStats(dockerStats(14, 900, traffic(6000, 250)))
		want := strings.NewReplacer(
			`"preread":"0001-01-01T00:00:00Z"`, `"preread":"2026-11-29T20:22:10.5Z"`,
			`"precpu_stats":{"cpu_usage":{"total_usage":0}}`, `"precpu_stats":{"cpu_usage":{"total_usage":100}}`,
		).Replace(dockerStats(14, 900, traffic(6000, 250)))
		s := b.stats()
		if string(s.Docker) != want || !s.Rates || s.RxPerSecond != 1000 || s.TxPerSecond != 50 {
			b.Errorf("second %s, %+v", s.Docker, s)
		}
		if again, err := b.Stats(b.Context(), "a"); err != nil || again != s {
			b.Errorf("within a second it is asked again: %v", err)
		}
		if got := b.engine.count("/containers/a/stats?now"); got != 2 {
			b.Errorf("%d requests", got)
		}
	})
}

func TestStats_FiguresThatCannotBeComparedAreNot(t *testing.T) {
	for _, tt := range []struct {
		name, second string
		change       func(b *bench)
		before       bool // precpu_stats is filled
	}{
		{name: "an interface is gone", second: dockerStats(14, 900, traffic(0, 50)), before: true},
		{name: "no network", second: dockerStats(14, 900, ""), before: true},
		{name: "the engine's clock was set back", second: dockerStats(5, 900, traffic(3000, 90))},
		{name: "a moment later", second: dockerStats(10, 900, traffic(3000, 90))},
		{name: "restarted", second: dockerStats(14, 900, traffic(3000, 90)), change: func(b *bench) {
			b.engine.set(func() {
				c := b.engine.containers["a"]
				c.started++
				b.engine.containers["a"] = c
			})
			b.engine.emit(containerEvent("die", "a"), containerEvent("start", "a"))
			synctest.Wait()
		}},
		{name: "minutes later", second: dockerStats(14, 900, traffic(3000, 90)), change: func(*bench) { time.Sleep(maxGap) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.answerStats(dockerStats(10, 100, traffic(2000, 50)))
				b.stats()
				if tt.change != nil {
					tt.change(b)
				}
				b.answerStats(tt.second)
				s := b.stats()
				if got := strings.Contains(string(s.Docker), `"precpu_stats":{"cpu_usage":{"total_usage":100}}`); got != tt.before || s.Rates {
					b.Errorf("%s, rates %t", s.Docker, s.Rates)
				}
			})
		})
	}
}

func TestStats_AreForgotten(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.answerStats(dockerStats(10, 100, ""))
		b.stats()
		if b.remembered() != 1 {
			b.Error("nothing is remembered")
		}
		time.Sleep(maxGap)
		synctest.Wait()
		if b.remembered() != 0 {
			b.Error("they are remembered")
		}
		b.answerStats(`{"read":"2026-11-29T20:22:10Z","cpu_stats":"` + strings.Repeat("x", maxSampleBytes) + `"}`)
		b.stats()
		if b.remembered() != 0 {
			b.Error("a very long one is remembered")
		}
	})
}

func TestStats_ContainerThatDoesNotRunHasNone(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		status       int
	}{
		{name: "Docker", answer: `{"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},"name":"/web","id":"a"}`},
		{name: "Podman 4"},
		{name: "Podman 5", answer: `{"cause":"container is stopped","message":"container is stopped","response":500}`},
		{name: "removed", status: 404},
		{name: "conflict", status: 409},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.answerStats(tt.answer)
				b.engine.set(func() { b.engine.status["/containers/a/stats?now"] = tt.status })
				if s := b.stats(); s != nil {
					b.Errorf("%s", s.Docker)
				}
				b.engine.emit(containerEvent("die", "a"))
				synctest.Wait()
				before := b.engine.count("/containers/a/stats?now")
				if s := b.stats(); s != nil || b.engine.count("/containers/a/stats?now") != before {
					b.Error("the engine is asked for a container that has ended")
				}
			})
		})
	}
}

func TestStats_FailuresSayWhy(t *testing.T) {
	const prefix = "/run/fake.sock: "
	for _, tt := range []struct {
		name, answer, want string
		status             int
	}{
		{name: "refused by a proxy", status: 403, want: "GET /v1.44/containers/a/stats: 403 Forbidden, as the test wants; allow this request at the proxy that filters the API"},
		{name: "no object", answer: `[1]`, want: errNoStats.Error()},
		{name: "odd figures", answer: `{"read":1}`, want: errNoStats.Error()},
		{name: "too long", answer: `{"read":"` + strings.Repeat("x", maxStatsBytes) + `"}`, want: "GET /v1.44/containers/a/stats: the document is too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.answerStats(tt.answer)
				b.engine.set(func() { b.engine.status["/containers/a/stats?now"] = tt.status })
				if _, err := b.Stats(b.Context(), "a"); err == nil || err.Error() != prefix+tt.want {
					b.Errorf("%v, want %s", err, tt.want)
				}
			})
		})
	}
}

// FuzzStats checks that what comes of any two documents can be written as JSON.
func FuzzStats(f *testing.F) {
	f.Add(dockerStats(10, 100, traffic(1, 2)), dockerStats(14, 200, traffic(3, 4)))
	f.Add(`{"read":"2026-11-29T20:23:01.65+02:00","cpu_stats":{"cpu":0},"Id":"a"}`, `{"Read":"2026-11-29T20:22:01Z","networks":null}`)
	f.Add(`null`, `{"read":"0001-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		var before *sample
		for _, document := range []string{first, second} {
			figures, err := parseFigures(json.RawMessage(document))
			if err != nil || figures == nil {
				continue
			}
			s := figures.since(before)
			if !json.Valid(s.Docker) {
				t.Errorf("%s of %s", s.Docker, document)
			}
			if math.IsNaN(s.RxPerSecond+s.TxPerSecond) || math.IsInf(s.RxPerSecond+s.TxPerSecond, 0) {
				t.Errorf("rates %+v of %s", s, document)
			}
			if before != nil && before.at.Equal(figures.now.at) {
				return // swap lets no such pair come
			}
			before = figures.now
		}
	})
}

// TestStats_LateOnesAreForTheNext has an engine that takes longer than clients wait, as Docker 20.10 does.
func TestStats_LateOnesAreForTheNext(t *testing.T) {
	const path = "/containers/a/stats?now"
	inBubble(t, one, func(b *bench) {
		ask := func() string {
			ctx, cancel := contextFor(b, caller.Wait)
			defer cancel()
			s, err := b.Stats(ctx, "a")
			if err != nil {
				return err.Error()
			}
			return string(s.Docker)
		}
		figures := func(second int) string { return dockerStats(second, 100, "") }
		poll := func(second int, want string) {
			b.Helper()
			b.answerStats(figures(second))
			release := b.engine.hold(path)
			if got := ask(); !strings.Contains(got, want) {
				b.Errorf("poll %d gets %s, want %s", second, got, want)
			}
			time.Sleep(950 * time.Millisecond)
			release()
			synctest.Wait()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		poll(10, "deadline exceeded")
		poll(20, `:10.5Z","preread"`)
		poll(30, `:20.5Z","preread"`)
		if got := b.engine.count(path); got != 3 {
			b.Errorf("%d requests", got)
		}
		time.Sleep(maxGap)
		synctest.Wait()
		poll(50, "deadline exceeded") // the last ones are too old
		b.answerStats(figures(59))
		if got := ask(); !strings.Contains(got, `:50.5Z"`) {
			b.Errorf("%s", got)
		}
		time.Sleep(remembered)
		synctest.Wait()
		if got := ask(); !strings.Contains(got, `:59.5Z"`) { // those that came in time
			b.Errorf("%s", got)
		}
	})
}
