package docker

// action is what an event means here.
type action int

const (
	ignored      action = iota
	changed             // the container must be inspected
	ended               // it no longer runs
	connected           // it may have another address, if it runs
	disconnected        // it lost an address
	renetworked         // a network came or went, or may have
)

// change is what an event tells.
type change struct {
	action  action
	id      string // of the container; "" with renetworked
	network string // its id, with disconnected; "" if not told
}

// wireEvent is one of the engine's event stream.
type wireEvent struct {
	Type, Action string
	Actor        struct {
		ID         string
		Attributes map[string]string
	}
}

// eventNames are all that are subscribed to. Docker says die and destroy, Podman died and remove, or both.
var eventNames = [...]string{"create", "start", "die", "died", "destroy", "remove", "rename", "connect", "disconnect"}

// change says what an event means.
func (e *wireEvent) change() change {
	c := change{id: e.Actor.ID}
	switch e.Type {
	case "container":
		c.action = containerAction(e.Action)
	case "network":
		c = e.networkChange()
	}
	switch {
	case c.action == renetworked:
		return change{action: renetworked}
	case c.action == ignored || c.id == "":
		return change{}
	}
	return c
}

func containerAction(name string) action {
	switch name {
	case "start", "rename":
		return changed
	case "die", "died", "destroy", "remove":
		return ended
	case "create":
		return renetworked // Podman 4 does not tell of networks, but makes one before a container in it
	}
	return ignored
}

func (e *wireEvent) networkChange() change {
	c := change{id: e.Actor.Attributes["container"], network: e.Actor.ID}
	if c.id == "" {
		c.id, c.network = e.Actor.ID, "" // Podman 4 tells the container only
	}
	switch e.Action {
	case "connect":
		c.action = connected
	case "disconnect":
		c.action = disconnected
	case "create", "destroy", "remove":
		c.action = renetworked
	}
	return c
}
