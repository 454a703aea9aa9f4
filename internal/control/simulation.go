package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

const (
	// defaultTimeout is how long calls wait that do nothing else.
	defaultTimeout = 30 * time.Second
	// maxWaiting is how many requests wait at one time.
	maxWaiting = 256
)

// get answers with one event or fault.
func get[T any](find func(id string) (T, error)) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		found, err := find(id)
		if err != nil {
			return asAnswer(err)
		}
		return answer(w, http.StatusOK, found)
	}
}

// put makes an event or a fault: 201, or 200 if the same is there already.
func put[T any](make func(id string, body []byte, by Peer) (T, bool, error)) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, body, err := idAndBody(r)
		if err != nil {
			return err
		}
		made, created, err := make(id, body, peerOf(r))
		if err != nil {
			return asAnswer(err)
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return answer(w, status, made)
	}
}

// remove ends an event or a fault, or all of them.
func remove(end func(id string, by Peer) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		if err := end(id, peerOf(r)); err != nil {
			return asAnswer(err)
		}
		return nothing(w)
	}
}

func (h *handler) events(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, api.Events{Events: list(h.daemon.Events())})
}

func (h *handler) faults(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, api.Faults{Faults: list(h.daemon.Faults())})
}

// list makes an empty list of nil, which JSON would have as null.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// changeEvent passes on a verb for a maintenance event.
func (h *handler) changeEvent(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	e, err := h.daemon.ChangeEvent(id, body, peerOf(r))
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, e)
}

// waitEvent answers when an event has come to a phase, or 408.
func (h *handler) waitEvent(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	timeout, err := timeoutOf(query, defaultTimeout)
	if err != nil {
		return err
	}
	ctx, done, err := h.wait(r, timeout)
	if err != nil {
		return err
	}
	defer done()
	phase := query.Get("phase")
	e, err := h.daemon.WaitEvent(ctx, id, phase)
	if isEnd(err) {
		what := "its first phase"
		if phase != "" {
			what = "the phase " + quote(phase)
		}
		return refuse(http.StatusRequestTimeout, "", "event "+id+": has not come to "+what+" within "+timeout.String())
	}
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, e)
}

// requests answers with the journal. With a timeout it waits for an entry, if there is none.
func (h *handler) requests(w http.ResponseWriter, r *http.Request) error {
	return h.newer(r, func(ctx context.Context, after int64, wait bool) error {
		found, err := h.daemon.Requests(ctx, after, r.URL.Query().Get("path"), wait)
		if err != nil && !isEnd(err) {
			return asAnswer(err)
		}
		return answer(w, http.StatusOK, api.Requests{Requests: list(found)})
	})
}

// newer has a list answer with what is above the parameter after. With the parameter timeout it is to wait for something.
func (h *handler) newer(r *http.Request, list func(ctx context.Context, after int64, wait bool) error) error {
	query := r.URL.Query()
	after, err := afterOf(query)
	if err != nil {
		return err
	}
	timeout, err := timeoutOf(query, 0)
	if err != nil {
		return err
	}
	ctx := r.Context()
	if timeout > 0 {
		var done func()
		if ctx, done, err = h.wait(r, timeout); err != nil {
			return err
		}
		defer done()
	}
	return list(ctx, max(after, 0), timeout > 0)
}

// state answers with the state. With after it waits for a newer one.
func (h *handler) state(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	after, err := afterOf(query)
	if err != nil {
		return err
	}
	timeout, err := timeoutOf(query, defaultTimeout)
	if err != nil {
		return err
	}
	ctx := r.Context()
	if after >= 0 {
		var done func()
		if ctx, done, err = h.wait(r, timeout); err != nil {
			return err
		}
		defer done()
	}
	s := h.daemon.SimulationState(ctx, after)
	s.Events, s.Faults = list(s.Events), list(s.Faults)
	return answer(w, http.StatusOK, s)
}

// wait prepares a request to wait. Its context ends with the client and after the timeout. done ends the wait.
func (h *handler) wait(r *http.Request, timeout time.Duration) (ctx context.Context, done func(), err error) {
	if r.ContentLength != 0 { // until it is read, the server would not notice that the client has gone
		return nil, nil, errWaitingBody()
	}
	select {
	case h.waiting <- struct{}{}:
	default:
		e := refuse(http.StatusTooManyRequests, "", "256 requests wait already; retry when some have ended")
		e.RetryAfter = "1"
		return nil, nil, e
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return ctx, func() { cancel(); <-h.waiting }, nil
}

func errWaitingBody() error {
	return refuse(http.StatusUnprocessableEntity, "", "a request that waits has no body; send none")
}

// isEnd tells whether an error says that the context has ended.
func isEnd(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
