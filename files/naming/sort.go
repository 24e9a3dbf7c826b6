package naming

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SortKey orders names as people do when keys are compared byte by byte: as
// folded, and digits by their value, whatever script they are of: "file2"
// before "file10". A key is hardly longer than two names.
//
// A number is written as how many digits it has and then its digits, without
// the zeros before it. What has no zeros comes first: how many there were is
// added at the end, behind a character that no name can hold.
func SortKey(name string) string {
	const end = '\x01'
	var key, zeros strings.Builder
	told := 0 // how much of zeros tells of any
	var number []byte
	finish := func() {
		if len(number) == 0 {
			return
		}
		digits := strings.TrimLeft(string(number[:len(number)-1]), "0") + string(number[len(number)-1:])
		writeCount(&key, len(digits))
		key.WriteString(digits)
		writeCount(&zeros, len(number)-len(digits))
		if len(number) > len(digits) {
			told = zeros.Len()
		}
		number = number[:0]
	}
	for _, r := range Fold(name) {
		if d, ok := digit(r); ok {
			number = append(number, d)
			continue
		}
		finish()
		key.WriteRune(r)
	}
	finish()
	if told > 0 {
		key.WriteRune(end)
		key.WriteString(zeros.String()[:told])
	}
	return key.String()
}

// writeCount writes a number below 1000 so that it is compared by its value:
// mostly one character, and one that stands where digits do.
func writeCount(b *strings.Builder, n int) {
	if n < 9 {
		b.WriteByte('0' + byte(n))
	} else {
		fmt.Fprintf(b, "9%03d", n)
	}
}

// digit is the value of a decimal digit as one of ASCII. In Unicode those of
// one script follow each other from zero to nine.
func digit(r rune) (byte, bool) {
	if r < utf8.RuneSelf {
		return byte(r), '0' <= r && r <= '9'
	}
	if !unicode.IsDigit(r) {
		return 0, false
	}
	zero := r // of this script, or of one before it without a gap
	for unicode.IsDigit(zero - 1) {
		zero--
	}
	return '0' + byte((r-zero)%10), true
}
