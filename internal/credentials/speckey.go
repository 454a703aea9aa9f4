package credentials

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Key identifies a Spec: two Specs have equal keys if and only if all their fields but Entry and Subject are equal. An empty map or slice equals
// none.
// It is a hash that shows no secret.
func (s Spec) Key() [sha256.Size]byte {
	// Everything of variable length follows its length, so that different values never give the same bytes.
	b := make([]byte, 0, 1024) // most Specs fit in, so that nothing is allocated
	for _, text := range []string{s.Profile, s.Region, s.RoleARN, s.SessionName, s.ExternalID, s.SourceIdentity, s.Policy, s.MFASerial} {
		b = appendText(b, text)
	}
	for _, d := range []time.Duration{s.Duration, s.RefreshBefore} {
		b = binary.AppendVarint(b, int64(d))
	}
	for _, flag := range []bool{s.Mock, s.Cache} {
		b = appendFlag(b, flag)
	}
	for _, list := range [][]string{s.TransitiveTagKeys, s.PolicyARNs} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, text := range list {
			b = appendText(b, text)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.SessionTags)))
	if len(s.SessionTags) > 0 {
		for _, key := range slices.Sorted(maps.Keys(s.SessionTags)) {
			b = appendText(appendText(b, key), s.SessionTags[key])
		}
	}
	b = s.Target.appendKey(b)
	if s.Session != "" { // else the keys of earlier versions stay
		b = appendText(b, s.Session)
	}
	return sha256.Sum256(b)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendFlag(b []byte, flag bool) []byte {
	if flag {
		return append(b, 1)
	}
	return append(b, 0)
}

// Holder identifies whom the credentials belong to and what they allow, not how they are obtained. A keeper may hand
// out the credentials of another keeper of an equal holder. Entries differ: one that cannot get credentials by its own external id
// must not have those of another. For a Target all external ids count, because entries do not tell associations apart.
func (s Spec) Holder() [sha256.Size]byte {
	if s.RoleARN != "" {
		s.Profile = ""
	}
	if s.Target == (Target{}) {
		s.ExternalID = ""
	}
	s.Region, s.MFASerial = "", ""
	s.Duration, s.RefreshBefore, s.Cache = 0, 0, false
	key := s.Key()
	return sha256.Sum256(append(key[:], s.Entry...))
}
