package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"mock-ec2-metadata/internal/caller"
)

// maxStatsCalls bounds how many containers of a task the engine is asked for at the same time.
const maxStatsCalls = 16

// statsOf returns the figures of a container in the form of a version; nil without figures.
func (m *Metadata) statsOf(ctx context.Context, version int, id string) (json.RawMessage, error) {
	s, err := m.engine.Stats(ctx, id)
	if s == nil || err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, s.Docker)
	if err != nil || !bytes.HasPrefix(b.Bytes(), []byte("{")) {
		return nil, err
	}
	if version != 4 || !s.Rates {
		return b.Bytes(), nil
	}
	rates, err := json.Marshal(struct {
		Rx float64 `json:"rx_bytes_per_sec"`
		Tx float64 `json:"tx_bytes_per_sec"`
	}{s.RxPerSecond, s.TxPerSecond})
	if err != nil { // not a number
		return b.Bytes(), nil //nolint:nilerr // the rest is there
	}
	b.Truncate(b.Len() - 1)
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.WriteString(`"network_rate_stats":`)
	b.Write(rates)
	b.WriteByte('}')
	return b.Bytes(), nil
}

// containerStats returns the figures of a subject's container; nil without figures.
func (m *Metadata) containerStats(ctx context.Context, version int, s subject) (id string, figures json.RawMessage, err error) {
	if s.fixed != nil {
		return s.fixed.DockerID, nil, nil
	}
	figures, err = m.statsOf(ctx, version, s.container.ID)
	return s.container.ID, figures, err
}

// taskStats returns the figures of the containers of a subject's task by their id. Those without figures have the value of the
// agent. It fails if the engine does not tell which containers there are.
func (m *Metadata) taskStats(ctx context.Context, version int, s subject) (map[string]json.RawMessage, error) {
	none := json.RawMessage("null")
	if version == 4 {
		none = json.RawMessage("{}")
	}
	all := map[string]json.RawMessage{}
	if s.fixed != nil {
		for _, f := range m.siblings(s.fixed) {
			all[f.DockerID] = none
		}
		return all, nil
	}
	_, containers, err := m.group(ctx, s.container)
	if err != nil {
		return nil, err
	}
	var (
		mu    sync.Mutex // guards all
		wg    sync.WaitGroup
		calls = make(chan struct{}, maxStatsCalls)
	)
	for _, c := range containers {
		all[c.ID] = none
	}
	for _, c := range containers {
		if statusOf(c.Status) != running {
			continue
		}
		calls <- struct{}{}
		wg.Go(func() {
			defer func() { <-calls }()
			if figures, err := m.statsOf(ctx, version, c.ID); figures != nil && err == nil {
				mu.Lock()
				defer mu.Unlock()
				all[c.ID] = figures
			}
		})
	}
	wg.Wait()
	return all, nil
}

// inTask finds a container of the task of c by its id; nil if it has none.
func (m *Metadata) inTask(ctx context.Context, c *caller.Running, id string) (arn string, found *caller.Container, err error) {
	arn, all, err := m.group(ctx, c)
	if err != nil {
		return "", nil, err
	}
	for _, c := range all {
		if c.ID == id {
			return arn, c, nil
		}
	}
	return "", nil, nil
}
