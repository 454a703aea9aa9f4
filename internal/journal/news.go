package journal

// News is what has come after a position in the order of all requests and refusals, from 1 and without gaps.
type News struct {
	Requests []Entry // oldest first
	Refusals []Refusal
	// Dropped is how many of those asked for have come that are not there any more.
	Dropped int64
	// Now is the position after them.
	Now int64
}

// Position is that of the newest request or refusal.
func (j *Journal) Position() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.position
}

// Since returns the requests, the refusals, or both that have come after a position. One that is not of this journal, such as that of
// an earlier daemon, counts as 0. With one of the two alone, Dropped may be too large after a position that Since has not returned.
func (j *Journal) Since(at int64, requests, refusals bool) News {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at > j.position || at < 0 {
		at = 0
	}
	n := News{Now: j.position}
	if n.Now == at {
		return n
	}
	allRequests, allRefusals := j.after(0), j.refusals.after(0)
	newRequests := laterThan(allRequests, func(e *Entry) bool { return e.position > at })
	newRefusals := laterThan(allRefusals, func(f *Refusal) bool { return f.position > at })
	if requests {
		n.Requests = newRequests
	}
	if refusals {
		n.Refusals = newRefusals
	}
	n.Dropped = j.position - at - int64(len(newRequests)+len(newRefusals))
	switch {
	case requests && refusals:
	case requests && len(allRequests) > 0:
		n.Dropped = dropped(n.Dropped, allRequests[0].Seq, allRequests[0].position, at)
	case refusals && len(allRefusals) > 0:
		n.Dropped = dropped(n.Dropped, allRefusals[0].Seq, allRefusals[0].position, at)
	default:
		n.Dropped = 0
	}
	return n
}

// dropped bounds how many of one kind are not there any more; seq and position are those of the oldest that is there.
func dropped(ofBoth, seq, position, at int64) int64 {
	return max(min(ofBoth, seq-1, position-1-at), 0)
}

// laterThan returns the end of a list from the first element on that is later.
func laterThan[T any](all []T, later func(*T) bool) []T {
	for i := range all {
		if later(&all[i]) {
			return all[i:]
		}
	}
	return nil
}
