package control

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
)

const (
	maxStreams = 16 // at one time
	// batchEvery is how often a stream sends what is new, and keepAlive after how long without news it sends a comment.
	batchEvery = 250 * time.Millisecond
	keepAlive  = 15 * time.Second
	// maxBatch is how many requests a batch has.
	maxBatch = 500
)

// topics are what a stream can have.
var topics = []string{"requests", "refusals", "credentials", "config", "simulation"}

// stream sends what is new as text/event-stream until the client goes. A slow client costs no memory: it misses what the daemon no
// longer remembers, and is told how much.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, err := afterOf(query)
	if err != nil {
		return err
	}
	wanted := topics
	if query.Has("topics") {
		wanted = strings.Split(query.Get("topics"), ",")
	}
	for _, topic := range wanted {
		if !slices.Contains(topics, topic) {
			return refuse(http.StatusUnprocessableEntity, "topics", "topics: "+quote(topic)+" is no topic; these are: "+strings.Join(topics, ", "))
		}
	}
	if r.ContentLength != 0 {
		return errWaitingBody()
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		e := refuse(http.StatusTooManyRequests, "", "16 streams are open already; close one")
		e.RetryAfter = "1"
		return e
	}
	history := after == 0
	if after < 0 {
		after = h.daemon.Position()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	s := &stream{daemon: h.daemon, to: http.NewResponseController(w), w: w, wanted: wanted, at: after, history: history, last: map[string][]byte{}}
	s.run(r)
	return nil
}

// stream is one client's.
type stream struct {
	daemon Daemon
	to     *http.ResponseController
	w      http.ResponseWriter
	wanted []string
	at     int64
	// history says that the client has asked for what is remembered, and knows of nothing before.
	history bool
	last    map[string][]byte // document that was sent, by topic
	out     bytes.Buffer
}

func (s *stream) run(r *http.Request) {
	ticker := time.NewTicker(batchEvery)
	defer ticker.Stop()
	sent := time.Now()
	// With the place to go on from, for clients that are cut off before anything comes.
	fmt.Fprintf(&s.out, ": stream\nid: %d\n\n", s.at)
	for {
		s.collect(r)
		if s.out.Len() == 0 && time.Since(sent) >= keepAlive {
			s.out.WriteString(": alive\n\n")
		}
		if s.out.Len() > 0 {
			sent = time.Now()
			limitWriting(s.w) // for each batch anew: the answer has no end
			if _, err := s.w.Write(s.out.Bytes()); err != nil || s.to.Flush() != nil {
				return
			}
			s.out.Reset()
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// collect writes what is new into out.
func (s *stream) collect(r *http.Request) {
	requests, refusals := slices.Contains(s.wanted, "requests"), slices.Contains(s.wanted, "refusals")
	if requests || refusals {
		n := s.daemon.News(s.at, requests, refusals, maxBatch)
		if n.Dropped > 0 && !s.history {
			s.event("lagged", api.Lagged{Dropped: n.Dropped}, false)
		}
		s.at, s.history = n.Now, false
		if len(n.Refusals) > 0 {
			s.event("refusals", api.Refusals{Refusals: n.Refusals}, len(n.Requests) == 0)
		}
		if len(n.Requests) > 0 {
			s.event("requests", api.Requests{Requests: n.Requests}, true)
		}
	}
	for _, topic := range s.wanted {
		switch topic {
		case "credentials":
			s.changed(topic, s.daemon.Who())
		case "config":
			s.changed(topic, s.daemon.ConfigStatus())
		case "simulation":
			state := s.daemon.SimulationState(r.Context(), -1)
			state.Events, state.Faults = list(maskAll(state.Events)), list(state.Faults)
			s.changed(topic, state)
		}
	}
}

// changed sends a document unless it is the one that was sent last.
func (s *stream) changed(topic string, document any) {
	text := marshal(document)
	if bytes.Equal(text, s.last[topic]) {
		return
	}
	s.last[topic] = text
	fmt.Fprintf(&s.out, "event: %s\ndata: %s\n\n", topic, text)
}

// event writes one event. The id goes with the last one of a batch, so that a client that misses a part gets all of it again.
func (s *stream) event(name string, document any, last bool) {
	if last {
		fmt.Fprintf(&s.out, "id: %d\n", s.at)
	}
	fmt.Fprintf(&s.out, "event: %s\ndata: %s\n\n", name, marshal(document))
}
