package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a rollout. Nodes take a new version one after the other.
const (
	rolloutTick  = time.Second
	rolloutStall = 2 * time.Minute // without another node that is ready
	logTimeout   = 10 * time.Second
	logLines     = 10
)

// revisionLabel tells the pods of a version of a DaemonSet from those of others.
const revisionLabel = "controller-revision-hash"

// rollout is where a DaemonSet is with its newest version.
type rollout struct {
	// started says that the cluster has taken note of the version.
	started bool
	// pods are those of the newest version.
	pods []pod
	// revisions is how many versions are remembered: one after the first up.
	revisions int
}

// ready says whether a node has the version, and it answers.
func (r *rollout) ready(node string) bool {
	return slices.ContainsFunc(r.pods, func(p pod) bool {
		return p.Spec.NodeName == node && p.isReady() && p.Metadata.DeletionTimestamp == nil
	})
}

// rolloutState asks for it all at once, so that it belongs together.
func (c *Cluster) rolloutState(ctx context.Context) (*rollout, error) {
	var raw list[json.RawMessage]
	err := c.kubectl.query(ctx, &raw, "get", "daemonsets.apps,controllerrevisions.apps,pods", "--namespace="+c.opt.Namespace, "--selector="+ourLabels)
	if err != nil {
		return nil, err
	}
	state := &rollout{}
	var newest int64
	var hash string
	var pods []pod
	for _, item := range raw.Items {
		var head struct {
			object
			Revision int64 `json:"revision"`
		}
		if err := json.Unmarshal(item, &head); err != nil {
			return nil, fmt.Errorf("kubectl: cannot read an object: %w", err)
		}
		switch head.Kind {
		case "DaemonSet":
			var d daemonSet
			if err := json.Unmarshal(item, &d); err != nil {
				return nil, fmt.Errorf("kubectl: cannot read the DaemonSet: %w", err)
			}
			state.started = d.Status.ObservedGeneration >= d.Metadata.Generation
		case "ControllerRevision":
			state.revisions++
			if head.Revision > newest {
				newest, hash = head.Revision, head.Metadata.Labels[revisionLabel]
			}
		case "Pod":
			var p pod
			if err := json.Unmarshal(item, &p); err != nil {
				return nil, fmt.Errorf("kubectl: cannot read a pod: %w", err)
			}
			pods = append(pods, p)
		}
	}
	state.pods = slices.DeleteFunc(pods, func(p pod) bool { return !p.isDaemon() || p.Metadata.Labels[revisionLabel] != hash })
	return state, nil
}

// awaitRollout waits until the newest version runs on all nodes. It fails as soon as one of its pods will not come up by itself.
func (c *Cluster) awaitRollout(ctx context.Context, nodes []string) error {
	best, since := -1, time.Now()
	for {
		state, err := c.rolloutState(ctx)
		if err != nil {
			return err
		}
		waiting := slices.DeleteFunc(slices.Clone(nodes), state.ready)
		if state.started && len(waiting) == 0 {
			c.out.line(markOK, "rollout", "ready on %s", nodeCount(len(nodes)))
			return nil
		}
		if state.started {
			for _, p := range state.pods {
				if why := p.broken(); why != "" {
					return c.failedRollout(ctx, state, &p, why)
				}
			}
		}
		if n := len(nodes) - len(waiting); n > best {
			best, since = n, time.Now()
		}
		if time.Since(since) > rolloutStall {
			at := slices.IndexFunc(state.pods, func(p pod) bool { return slices.Contains(waiting, p.Spec.NodeName) })
			if at < 0 {
				return c.failedRollout(ctx, state, nil, fmt.Sprintf("no pod on %s within %s", listed(waiting), rolloutStall))
			}
			return c.failedRollout(ctx, state, &state.pods[at], fmt.Sprintf("not ready within %s", rolloutStall))
		}
		if err := pause(ctx, rolloutTick); err != nil {
			return err
		}
	}
}

// failedRollout says what a pod that does not come up says of itself, and the way back.
func (c *Cluster) failedRollout(ctx context.Context, state *rollout, p *pod, why string) error {
	c.out.line(markFail, "rollout", "%s", why)
	where := "the new version"
	if p != nil {
		where = fmt.Sprintf("pod %s/%s on %s", p.Metadata.Namespace, p.Metadata.Name, p.Spec.NodeName)
		c.tell(ctx, p)
	}
	back := "take it away with " + program + " down"
	if state.revisions > 1 {
		back = "go back with\n  " + c.kubectl.Shown("--namespace="+c.opt.Namespace, "rollout", "undo", "daemonset/"+DaemonSet)
	}
	return fmt.Errorf("%s: it does not come up: %s; fix what its log shows and run up again, or %s", where, why, back)
}

// tell prints the end of a pod's log and its events.
func (c *Cluster) tell(ctx context.Context, p *pod) {
	for _, line := range c.logs(ctx, p) {
		c.out.line("", "log", "%s", line)
	}
	for _, line := range c.events(ctx, p) {
		c.out.line("", "event", "%s", line)
	}
}

// noLog is how a kubelet answers, as if it were the log, when it has removed the container already.
const noLog = "unable to retrieve container logs"

// logs are the last lines of a pod's log: of the run before, if this one has just begun.
func (c *Cluster) logs(ctx context.Context, p *pod) []string {
	for _, previous := range []string{"--previous=true", "--previous=false"} {
		out, err := c.kubectl.run(ctx, logTimeout, nil, "logs", "--namespace="+p.Metadata.Namespace, p.Metadata.Name,
			fmt.Sprintf("--tail=%d", logLines), previous, requestTimeout)
		if text := last(string(out), logLines); err == nil && len(text) > 0 && !strings.HasPrefix(text[0], noLog) {
			return text
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		for _, state := range []containerState{s.State, s.LastState} {
			if state.Terminated != nil && state.Terminated.Message != "" {
				return last(state.Terminated.Message, logLines)
			}
		}
	}
	return nil
}

// events are warnings about a pod.
func (c *Cluster) events(ctx context.Context, p *pod) []string {
	var events list[struct {
		Type, Reason, Message string
	}]
	if err := c.kubectl.query(ctx, &events, "get", "events", "--namespace="+p.Metadata.Namespace, "--field-selector=involvedObject.uid="+p.Metadata.UID); err != nil {
		c.opt.Log.Debug("cannot list events", "error", err)
		return nil
	}
	var all []string
	for _, e := range events.Items {
		if e.Type == "Warning" {
			all = append(all, e.Reason+": "+strings.TrimSpace(e.Message))
		}
	}
	return all[max(0, len(all)-5):]
}
