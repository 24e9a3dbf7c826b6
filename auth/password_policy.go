package auth

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"homebase/auth/internal/nfkc"
	"homebase/httpx"
)

const (
	passwordShortest     = 12   // characters
	passwordLongest      = 256  // characters
	passwordLongestBytes = 1024 // bytes
)

// checkNewPassword holds a new password against the policy: long enough, and
// none of the first that anyone would guess. There are no rules of
// composition; they make passwords worse. What is folded counts where that is
// shorter, for é is one character also when it was typed as two.
func checkNewPassword(f *httpx.Fields, pointer, email, password string) {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		f.Add(pointer, "invalid", "The password is not valid text.")
	case n > passwordLongest || len(password) > passwordLongestBytes:
		f.Add(pointer, "too_long", "A password has at most 256 characters and 1024 bytes.")
	case min(n, utf8.RuneCountInString(nfkc.Fold(password))) < passwordShortest:
		f.Add(pointer, "too_short", "A password has at least 12 characters.")
	case guessable(email, nfkc.Fold(password)):
		f.Add(pointer, "too_common", "This password is among the first that are guessed. Choose another, such as four unrelated words.")
	}
}

// commonWords are passwords and words that lists of stolen passwords begin
// with, in lower case, one a line.
//
//go:embed common_passwords.txt
var commonWords string

var commonPasswords = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(commonWords) {
		set[word] = true
	}
	return set
})

// rows are what fingers run along. A password that is only pieces of them,
// forwards or backwards, is no better than one of the list.
var rows = []string{
	"01234567890123456789", "abcdefghijklmnopqrstuvwxyzabcdefghijkl",
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()", "!\"§$%&/()=",
}

// guessable reports whether a password is built from hardly more than the
// user's own address, common words, runs along the keyboard and repetitions:
// each of those counts as little to guess as one other character, and fewer
// than five are too few.
func guessable(email, password string) bool {
	p := strings.ToLower(strings.Join(strings.Fields(password), ""))
	email = strings.ToLower(email)
	local, _, _ := strings.Cut(email, "@")
	if unit := period(p); unit < len(p) {
		p = p[:unit] // what is said twice is guessed once
		if utf8.RuneCountInString(p) < 8 {
			return true
		}
	}
	pieces := 0
	for ; p != ""; pieces++ {
		n := predictable(p, email, local)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(p)
		}
		for unit := p[:n]; strings.HasPrefix(p, unit); {
			p = p[n:]
		}
	}
	return pieces < 5
}

// period is the length of the shortest beginning of p that p repeats, len(p)
// if there is none.
func period(p string) int {
	for n := 1; n <= len(p)/2; n++ {
		if len(p)%n == 0 && p == strings.Repeat(p[:n], len(p)/n) {
			return n
		}
	}
	return len(p)
}

// predictable is the length of the longest beginning of p that needs no
// guessing, 0 if it has none of at least three bytes.
func predictable(p, email, local string) int {
	longest := 0
	for _, known := range []string{email, local} {
		if len(known) >= 3 && strings.HasPrefix(p, known) {
			longest = max(longest, len(known))
		}
	}
	for n := min(len(p), 40); n >= 3 && n > longest; n-- {
		if commonPasswords()[p[:n]] {
			longest = n
		}
	}
	return max(longest, runLength(p), repeatLength(p))
}

// runLength is how far p goes along one of the rows, from 3 on.
func runLength(p string) int {
	longest := 0
	for n := 3; n <= len(p) && n <= 40; n++ {
		back := []byte(p[:n])
		slices.Reverse(back)
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, p[:n]) || strings.Contains(row, string(back)) }) {
			break
		}
		longest = n
	}
	return longest
}

// repeatLength is how much of p's beginning is one unit of up to four bytes
// said at least three times: aaaa, abababab.
func repeatLength(p string) int {
	longest := 0
	for unit := 1; unit <= 4 && 3*unit <= len(p); unit++ {
		n := unit
		for n < len(p) && p[n] == p[n-unit] {
			n++
		}
		if n >= 3*unit {
			longest = max(longest, n)
		}
	}
	return longest
}
