package auth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"homebase/httpx"
)

// ParseAllow reads the addresses and CIDRs of the field #/allow: where
// something may be used from. Bits behind the prefix count for nothing, as
// everywhere.
func ParseAllow(f *httpx.Fields, allow []string) []netip.Prefix {
	const most = 50
	if len(allow) > most {
		f.Add("#/allow", "too_many", "At most 50 addresses and CIDRs can be allowed.")
		return nil
	}
	prefixes := []netip.Prefix{}
	for i, s := range allow {
		p, err := httpx.ParsePrefix(s)
		if err != nil {
			f.Add(fmt.Sprintf("#/allow/%d", i), "invalid", "This is neither an address nor a CIDR such as 192.0.2.0/24.")
			continue
		}
		prefixes = append(prefixes, p)
	}
	return prefixes
}

// Allows reports whether the request of ctx comes from an address on the
// list; an empty one lets everybody in. An address that is not known is on no
// list.
func Allows(ctx context.Context, allow []netip.Prefix) bool {
	from := httpx.ClientAddr(ctx).Unmap().WithZone("")
	return len(allow) == 0 || slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(from) })
}
