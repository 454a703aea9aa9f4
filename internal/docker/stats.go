package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"mock-ec2-metadata/internal/caller"
)

const (
	// minGap and maxGap are the time between two figures that are compared.
	minGap = 500 * time.Millisecond
	maxGap = 3 * time.Minute
	// maxSamples are remembered; maxSampleBytes bounds the processor's part of one.
	maxSamples     = 4096
	maxSampleBytes = 32 << 10
)

// figures are an engine's statistics of a container.
type figures struct {
	fields []field // in the engine's order
	now    *sample
}

type field struct {
	name  string
	value json.RawMessage
}

// sample is what the next figures are compared with.
type sample struct {
	started time.Time // which run of the container it is of
	at      time.Time // by the engine's clock
	cpu     json.RawMessage
	network bool   // rx and tx are told
	rx, tx  uint64 // bytes, of all interfaces
	forget  *time.Timer
}

var errNoStats = errors.New("the engine's statistics cannot be read; see whether its version is supported")

// parseFigures returns nil for a container that does not run: Docker sends the time zero.
func parseFigures(object json.RawMessage) (*figures, error) {
	var d struct {
		Read     string
		CPU      json.RawMessage `json:"cpu_stats"`
		Networks map[string]struct {
			Rx uint64 `json:"rx_bytes"`
			Tx uint64 `json:"tx_bytes"`
		}
	}
	if err := json.Unmarshal(object, &d); err != nil {
		return nil, errNoStats
	}
	now := &sample{at: parseTime(d.Read), cpu: d.CPU, network: d.Networks != nil}
	if now.at.IsZero() {
		return nil, nil
	}
	for _, n := range d.Networks {
		now.rx += n.Rx
		now.tx += n.Tx
	}
	f := &figures{now: now}
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil { // the brace
		return nil, errNoStats
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errNoStats
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errNoStats
		}
		f.fields = append(f.fields, field{name.(string), value}) // a key is a string
	}
	return f, nil
}

// since compares f with the figures before; nil is none.
func (f *figures) since(before *sample) *caller.Stats {
	s, now := &caller.Stats{}, f.now
	if before != nil {
		f.set("precpu_stats", before.cpu)
		f.set("preread", json.RawMessage(before.at.AppendFormat([]byte(`"`), time.RFC3339Nano+`"`)))
		// Less than before: an interface is gone.
		if now.network && before.network && now.rx >= before.rx && now.tx >= before.tx {
			seconds := now.at.Sub(before.at).Seconds()
			s.Rates = true
			s.RxPerSecond, s.TxPerSecond = float64(now.rx-before.rx)/seconds, float64(now.tx-before.tx)/seconds
		}
	}
	s.Docker = f.object()
	return s
}

// set replaces a field, or adds it.
func (f *figures) set(name string, value json.RawMessage) {
	for i := range f.fields {
		if f.fields[i].name == name {
			f.fields[i].value = value
			return
		}
	}
	f.fields = append(f.fields, field{name, value})
}

// object is the document of the fields.
func (f *figures) object() json.RawMessage {
	b := []byte("{")
	for i, field := range f.fields {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(field.name) // never fails for a string
		b = append(append(append(b, name...), ':'), field.value...)
	}
	return append(b, '}')
}

// samples are the last figures of containers, for maxGap.
type samples struct {
	mu   sync.Mutex
	byID map[string]*sample
}

// swap remembers a container's figures and returns those before; nil if there are none to compare with.
func (s *samples) swap(id string, now *sample) *sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.byID[id]
	if before != nil {
		gap := now.at.Sub(before.at)
		if before.started.Equal(now.started) && gap >= 0 && gap < minGap {
			return nil // the next ones are compared with before
		}
		before.forget.Stop()
		delete(s.byID, id)
		if !before.started.Equal(now.started) || gap < 0 || gap > maxGap {
			before = nil
		}
	}
	if len(now.cpu) == 0 || len(now.cpu) > maxSampleBytes || len(s.byID) >= maxSamples {
		return before
	}
	if s.byID == nil {
		s.byID = map[string]*sample{}
	}
	s.byID[id] = now
	now.forget = time.AfterFunc(maxGap, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byID[id] == now {
			delete(s.byID, id)
		}
	})
	return before
}
