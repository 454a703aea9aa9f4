package app

import (
	"bytes"
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/lifecycle"
	"mock-ec2-metadata/internal/tree"
)

// grant is the role that a client gets.
type grant struct {
	// name is the role's in roles, or the IAM role's; "" for none. Log and status show it.
	name string
	// credentials are those to get; nil for an instance without a profile.
	credentials *config.Credentials
	// from is where the credentials are configured; "" is the block credentials.
	from string
	// target is the role that the credentials' role assumes in turn; zero for none.
	target credentials.Target
	// denied is why the client gets no credentials of the role; nil if it does.
	denied *imds.CredentialError
	// session tells apart sessions of equal inputs; "" for the one of all.
	session string
	// subject is whom a cluster's credentials are for; nil elsewhere.
	subject *caller.Subject
}

// spec are the credentials of the grant for an instance.
func (g grant) spec(in *config.Instance) credentials.Spec {
	spec := specOf(in)
	spec.Entry, spec.Target, spec.Session, spec.Subject = g.from, g.target, g.session, g.subject
	return spec
}

// clientIdentity is what a client gets: an instance, and the credentials of a role. Its parts are made when a client first asks, since
// there may be thousands.
type clientIdentity struct {
	entry int // of clients, whose instance it is; -1: the file's own
	grant grant
	// container is the first container that has it; "" if none names its role.
	container string
	// pod is the pod or the service account that alone has it, or the node; "" for none.
	pod string
	// ofPods says that pods have it, by their addresses.
	ofPods bool

	once sync.Once
	made atomic.Pointer[served] // nil before the first client

	metadataOnce sync.Once
	metadata     atomic.Pointer[metadata] // nil before the first client of the metadata service
	selected     selected                 // for clients that see events that are not for all
}

// served holds the credentials of an identity.
type served struct {
	role   string              // as the metadata lists it; "" without an instance profile
	keeper *credentials.Keeper // nil: no credentials
	source *credentialSource   // of keeper
}

// metadata holds the parts of an identity that only the metadata service needs. Pods and containers of ECS never ask for them.
type metadata struct {
	target *imds.Target
	signed *signatures
}

// serve returns the credentials of an identity of s.
func (s *State) serve(id *clientIdentity) *served {
	id.once.Do(func() { id.made.Store(s.make(id)) })
	return id.made.Load()
}

// make makes the credentials of an identity.
func (s *State) make(id *clientIdentity) *served {
	in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
	made := &served{role: instance.RoleOf(&in)}
	if made.role != "" && id.grant.denied == nil {
		made.keeper = s.pool.Keeper(id.grant.spec(&in))
		made.source = newCredentialSource(made.keeper, &in)
	}
	s.grown()
	return made
}

// set gives an identity parts that exist already.
func (id *clientIdentity) set(made *served, parts *metadata) {
	id.once.Do(func() { id.made.Store(made) })
	id.metadataOnce.Do(func() { id.metadata.Store(parts) })
}

// isOver reports whether all clients of an identity seem to be gone: its keeper has ended, since none has asked for long. One with
// signatures is not over, since the next would sign anew.
func (id *clientIdentity) isOver() bool {
	made, parts := id.made.Load(), id.metadata.Load()
	if made == nil || made.keeper == nil || parts != nil && parts.signed.made.Load() != nil {
		return false
	}
	return made.isOver()
}

// isOver reports whether the keeper has ended, since no client has asked for long, or there is none.
func (made *served) isOver() bool {
	if made.keeper == nil {
		return true
	}
	state := made.keeper.State()
	return state.Idle && state.Since.IsZero() && !state.Valid
}

// serveMetadata returns what the metadata service needs of an identity of s; nil if it has no tree.
func (s *State) serveMetadata(id *clientIdentity) *metadata {
	id.metadataOnce.Do(func() { id.metadata.Store(s.makeMetadata(id)) })
	return id.metadata.Load()
}

// makeMetadata makes the target of an identity. Its tree exists, since build has checked the entry.
func (s *State) makeMetadata(id *clientIdentity) *metadata {
	return s.makeMetadataWith(id, lifecycle.Selection{})
}

// makeMetadataWith is makeMetadata for clients that see the selected events, too.
func (s *State) makeMetadataWith(id *clientIdentity, selection lifecycle.Selection) *metadata {
	in, userData := s.Config.InstanceOf(id.entry, id.grant.credentials)
	with := s.Events.Apply(selection, in, userData, s.Now)
	inst := instance.New(&with.Instance, with.UserData)
	snapshot, err := tree.New(inst, with.Instance.Metadata)
	if err == nil && id.ofPods && s.cluster.config.Kubernetes.Pods.Metadata == "none" {
		snapshot, err = tree.New(inst, hidden(snapshot.Paths()))
	}
	if err != nil { // a container's role may be in the way of a value of metadata
		s.log.Error("cannot make the tree of a client", "identity", s.identities.name(id.entry), "role", id.grant.name, "error", err)
		return nil
	}
	s.grown()
	tokens := s.Target.Tokens
	if inst.ID != s.Instance.ID {
		tokens = imds.NewTokens(s.Secret.Key(), inst.ID, s.now)
	}
	made := &metadata{signed: s.signaturesOf(snapshot.Document())}
	made.target = s.target(&with, snapshot.Over(s.Target.Tree), tokens, made.signed)
	switch own := s.serve(id); {
	case own.source != nil:
		made.target.Credentials = own.source
	case own.role != "":
		made.target.Credentials = denied{id.grant.denied}
	}
	return made
}

// target makes the target of an instance without its credentials.
func (s *State) target(in *lifecycle.Result, snapshot *tree.Snapshot, tokens *imds.Tokens, signed *signatures) *imds.Target {
	options := in.Instance.EC2.MetadataOptions
	t := &imds.Target{
		Tree:           snapshot,
		Modified:       s.modified,
		Tokens:         tokens,
		Signatures:     signed,
		TokensRequired: options.HTTPTokens == "required",
		Disabled:       options.HTTPEndpoint == "disabled",
		HopLimit:       options.HTTPPutResponseHopLimit,
		TokensSince:    in.TokensSince,
	}
	if in.Gone {
		t.Faults, t.Disabled = s.off, false // which answers 403
	}
	if len(s.Events.Events()) > 0 {
		t.Observe = s.observe
	}
	return t
}

// signaturesOf returns the signatures of a document: the file's own, or those of the state before, if theirs is the same, so that the
// bytes stay.
func (s *State) signaturesOf(document []byte) *signatures {
	if s.signed != nil && bytes.Equal(s.signed.document, document) {
		return s.signed
	}
	if s.base != nil && bytes.Equal(s.base.document, document) {
		return s.base
	}
	if kept := s.kept[sha256.Sum256(document)]; kept != nil {
		return kept
	}
	return &signatures{identity: s.Identity, document: document}
}

// signaturesToKeep returns the signatures of a state by the hash of their document.
func (s *State) signaturesToKeep() map[[sha256.Size]byte]*signatures {
	kept := map[[sha256.Size]byte]*signatures{}
	for _, id := range s.identities.all() {
		if made := id.metadata.Load(); made != nil && made.signed.made.Load() != nil {
			kept[sha256.Sum256(made.signed.document)] = made.signed
		}
	}
	kept[sha256.Sum256(s.signed.document)] = s.signed
	return kept
}
