package naming

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestFold_EveryCaseOfALetterIsTheSame(t *testing.T) {
	for r := rune(1); r < 0x1f000; r++ {
		if 0xd800 <= r && r < 0xfb00 { // no letters with cases
			continue
		}
		want := Fold(string(r))
		for _, other := range []rune{unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r), unicode.SimpleFold(r)} {
			if got := Fold(string(other)); got != want {
				t.Errorf("%q folds to %q, %q to %q", r, want, other, got)
			}
		}
		if again := Fold(want); again != want {
			t.Errorf("%q folds to %q and then to %q", r, want, again)
		}
	}
}

func TestSortKey_PutsNumbersByTheirValue(t *testing.T) {
	long := strings.Repeat("9", 200)
	order := []string{"", " ", "!", "0", "00", "1", "01", "001", "1 b", "1.9", "1.10", "1a", "2", "９", "10", "١٢", "013", long, "1" + strings.Repeat("0", 200),
		"a", "a-1", "A0", "a1b1", "a1b01", "a01b1", "a01b01", "a1b2", "a1b02", "a2", "a9", "a10", "a123456789", "a1234567890", "ab", "é1", "é2"}
	shuffled := slices.Clone(order)
	slices.Reverse(shuffled)
	slices.SortStableFunc(shuffled, func(a, b string) int { return cmp.Compare(SortKey(a), SortKey(b)) })
	if !slices.Equal(shuffled, order) {
		t.Errorf("got  %q\nwant %q", shuffled, order)
	}
}

func TestSortKey_IsAtMostLittleLongerThanTwoNames(t *testing.T) {
	for _, part := range []string{"1a", "01a", "0", "0000000001a", "٠a", "ᾷ", "ŉ", "1234567890", "1234567890a", "ﬃ"} {
		name := strings.Repeat(part, 255/len(part))
		if key := SortKey(name); len(key) > 2*len(name)+2 {
			t.Errorf("%.20q: a key of %d bytes for a name of %d", name, len(key), len(name))
		}
	}
}
