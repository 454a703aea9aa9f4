package app

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
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
	// denied is why the client gets no credentials of the role; nil if it does.
	denied *imds.CredentialError
}

// spec are the credentials of the grant for an instance.
func (g grant) spec(in *config.Instance) credentials.Spec {
	spec := specOf(in)
	spec.Entry = g.from
	return spec
}

// clientIdentity is what a client gets: an instance, and the credentials of a role. Its parts are made when a client first asks, since
// there may be thousands.
type clientIdentity struct {
	entry int // of clients, whose instance it is; -1: the file's own
	grant grant
	// container is the first container that has it; "" if none names its role.
	container string

	once sync.Once
	made atomic.Pointer[served] // nil before the first client
}

// served holds the parts of an identity.
type served struct {
	role   string // as the metadata lists it; "" without an instance profile
	target *imds.Target
	keeper *credentials.Keeper // nil: no credentials
	source *credentialSource   // of keeper
	signed *signatures
}

// serve returns the parts of an identity of s.
func (s *State) serve(id *clientIdentity) *served {
	id.once.Do(func() { id.made.Store(s.make(id)) })
	return id.made.Load()
}

// make makes the parts of an identity. Its tree exists, since build has checked the entry.
func (s *State) make(id *clientIdentity) *served {
	in, userData := s.Config.InstanceOf(id.entry, id.grant.credentials)
	inst := instance.New(&in, userData)
	snapshot, err := tree.New(inst, in.Metadata)
	if err != nil { // a container's role may be in the way of a value of metadata
		s.log.Error("cannot make the tree of a client", "identity", s.identities.name(id.entry), "role", id.grant.name, "error", err)
		return nil
	}
	s.grown()
	made := &served{role: inst.Role, signed: s.signaturesOf(snapshot.Document())}
	tokens := s.Target.Tokens
	if inst.ID != s.Instance.ID {
		tokens = imds.NewTokens(s.Secret.Key(), inst.ID, s.now)
	}
	made.target = s.target(&in, snapshot.Over(s.Target.Tree), tokens, made.signed)
	switch {
	case inst.Role == "":
	case id.grant.denied != nil:
		made.target.Credentials = denied{id.grant.denied}
	default:
		made.keeper = s.pool.Keeper(id.grant.spec(&in))
		made.source = s.identities.source(made.keeper, &in)
		made.target.Credentials = made.source
	}
	return made
}

// target makes the target of an instance without its credentials.
func (s *State) target(in *config.Instance, snapshot *tree.Snapshot, tokens *imds.Tokens, signed *signatures) *imds.Target {
	options := in.EC2.MetadataOptions
	return &imds.Target{
		Tree:           snapshot,
		Modified:       s.modified,
		Tokens:         tokens,
		Signatures:     signed,
		TokensRequired: options.HTTPTokens == "required",
		Disabled:       options.HTTPEndpoint == "disabled",
		HopLimit:       options.HTTPPutResponseHopLimit,
	}
}

// signaturesOf returns the signatures of a document: those of the state before if it had the same document, so that the bytes
// stay.
func (s *State) signaturesOf(document []byte) *signatures {
	if kept := s.kept[sha256.Sum256(document)]; kept != nil {
		return kept
	}
	return &signatures{identity: s.Identity, document: document}
}

// signaturesToKeep returns the signatures of a state by the hash of their document.
func (s *State) signaturesToKeep() map[[sha256.Size]byte]*signatures {
	kept := map[[sha256.Size]byte]*signatures{}
	for _, id := range s.identities.all() {
		if made := id.made.Load(); made != nil && made.signed.made.Load() != nil {
			kept[sha256.Sum256(made.signed.document)] = made.signed
		}
	}
	kept[sha256.Sum256(s.signed.document)] = s.signed
	return kept
}
