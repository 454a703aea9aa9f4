package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mock-ec2-metadata/internal/api"
)

const (
	eventsPath = "/v1/events"
	faultsPath = "/v1/faults"
)

// at is the path of one of a list; "" is the list.
func at(list, id string) string {
	if id == "" {
		return list
	}
	return list + "/" + url.PathEscape(id)
}

// Events lists the events.
func (c *Client) Events(ctx context.Context) ([]api.Event, error) {
	var all api.Events
	err := c.call(ctx, http.MethodGet, eventsPath, nil, &all)
	return all.Events, err
}

// Event describes one event.
func (c *Client) Event(ctx context.Context, id string) (api.Event, error) {
	var e api.Event
	return e, c.call(ctx, http.MethodGet, eventsPath+"/"+url.PathEscape(id), nil, &e)
}

// PutEvent makes an event of a JSON body; "" makes up an id, unless the body has one. created is false if the same event is there already.
func (c *Client) PutEvent(ctx context.Context, id string, body json.RawMessage) (e api.Event, created bool, err error) {
	created, err = c.put(ctx, eventsPath, id, body, &e)
	return e, created, err
}

// ChangeEvent sends a verb for a maintenance event, such as {"verb": "complete"}. The id is ours or EC2's.
func (c *Client) ChangeEvent(ctx context.Context, id string, body json.RawMessage) (api.Event, error) {
	var e api.Event
	return e, c.call(ctx, http.MethodPost, eventsPath+"/"+url.PathEscape(id), body, &e)
}

// DeleteEvents ends an event, "" for all, as if it had never been.
func (c *Client) DeleteEvents(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, at(eventsPath, id), nil, nil)
}

// WaitEvent returns an event once it is in a phase, or has passed it; "" is the first phase after pending. After the timeout, of at most
// 10 minutes, the error is an *api.Refusal with the status 408.
func (c *Client) WaitEvent(ctx context.Context, id, phase string, timeout time.Duration) (api.Event, error) {
	query := url.Values{"timeout": {timeout.String()}}
	if phase != "" {
		query.Set("phase", phase)
	}
	var e api.Event
	return e, c.poll(ctx, timeout, eventsPath+"/"+url.PathEscape(id)+"/wait", query, &e)
}

// Faults lists the faults.
func (c *Client) Faults(ctx context.Context) ([]api.Fault, error) {
	var all api.Faults
	err := c.call(ctx, http.MethodGet, faultsPath, nil, &all)
	return all.Faults, err
}

// Fault describes one fault.
func (c *Client) Fault(ctx context.Context, id string) (api.Fault, error) {
	var f api.Fault
	return f, c.call(ctx, http.MethodGet, faultsPath+"/"+url.PathEscape(id), nil, &f)
}

// PutFault makes a fault; see PutEvent.
func (c *Client) PutFault(ctx context.Context, id string, body json.RawMessage) (f api.Fault, created bool, err error) {
	created, err = c.put(ctx, faultsPath, id, body, &f)
	return f, created, err
}

// DeleteFaults ends a fault, "" for all.
func (c *Client) DeleteFaults(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, at(faultsPath, id), nil, nil)
}

// Requests returns those with a number above after whose path fits the pattern; "" is any. If there is none, it waits for one, at most
// for the timeout.
func (c *Client) Requests(ctx context.Context, after int64, pattern string, timeout time.Duration) ([]api.Request, error) {
	query := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if pattern != "" {
		query.Set("path", pattern)
	}
	if timeout > 0 {
		query.Set("timeout", timeout.String())
	}
	var found api.Requests
	err := c.poll(ctx, timeout, "/v1/requests", query, &found)
	return found.Requests, err
}

// SimulationState returns the state at once.
func (c *Client) SimulationState(ctx context.Context) (api.SimulationState, error) {
	var s api.SimulationState
	return s, c.call(ctx, http.MethodGet, "/v1/state", nil, &s)
}

// put sends a body, and reports whether it has made something.
func (c *Client) put(ctx context.Context, list, id string, body json.RawMessage, out any) (created bool, err error) {
	method := http.MethodPut
	if id == "" {
		method = http.MethodPost
	}
	status, err := c.send(ctx, clientTimeout, method, at(list, id), body, out)
	return status == http.StatusCreated, err
}

// poll asks for something that the daemon may wait for.
func (c *Client) poll(ctx context.Context, timeout time.Duration, path string, query url.Values, out any) error {
	_, err := c.send(ctx, timeout+margin, http.MethodGet, path+"?"+query.Encode(), nil, out)
	return err
}
