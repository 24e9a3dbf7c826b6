// Package naming makes of a name what it is found and sorted by. Both keys
// are stored beside the name, so whoever writes a name makes them here; the
// database composes them (NFC) as it stores them.
package naming

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold is a text in which cases are told apart no longer: full case folding
// (Unicode, CaseFolding.txt), but that the four letters i of Turkish are one,
// for a name is typed in many languages. Accents stay.
func Fold(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	const dot = '\u0307' // above; a capital İ may be written as I with it
	var last rune
	for _, r := range text {
		folded := r
		switch more, longer := expansions[r]; {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
		case r == dot && last == 'i':
			continue
		case longer:
			b.WriteString(more)
			last = utf8.RuneError
			continue
		default:
			// Both ways: ς and σ, ſ and s have only their capital in common.
			folded = unicode.ToLower(unicode.ToUpper(r))
		}
		b.WriteRune(folded)
		last = folded
	}
	return b.String()
}

// expansions are the letters that fold to several. Those that are only
// composed otherwise, as ǰ, are left to the composing.
var expansions = func() map[rune]string {
	all := map[rune]string{}
	for from, to := range map[string]string{
		"ßẞ": "ss", "ŉ": "ʼn", "ẚ": "aʾ", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅﬆ": "st",
		"և": "եւ", "ﬓ": "մն", "ﬔ": "մե", "ﬕ": "մի", "ﬖ": "վն", "ﬗ": "մխ",
		// Greek with the iota written below.
		"ᾀᾈ": "ἀι", "ᾁᾉ": "ἁι", "ᾂᾊ": "ἂι", "ᾃᾋ": "ἃι", "ᾄᾌ": "ἄι", "ᾅᾍ": "ἅι", "ᾆᾎ": "ἆι", "ᾇᾏ": "ἇι",
		"ᾐᾘ": "ἠι", "ᾑᾙ": "ἡι", "ᾒᾚ": "ἢι", "ᾓᾛ": "ἣι", "ᾔᾜ": "ἤι", "ᾕᾝ": "ἥι", "ᾖᾞ": "ἦι", "ᾗᾟ": "ἧι",
		"ᾠᾨ": "ὠι", "ᾡᾩ": "ὡι", "ᾢᾪ": "ὢι", "ᾣᾫ": "ὣι", "ᾤᾬ": "ὤι", "ᾥᾭ": "ὥι", "ᾦᾮ": "ὦι", "ᾧᾯ": "ὧι",
		"ᾳᾼ": "αι", "ᾲ": "ὰι", "ᾴ": "άι", "ᾷ": "ᾶι", "ῃῌ": "ηι", "ῂ": "ὴι", "ῄ": "ήι", "ῇ": "ῆι",
		"ῳῼ": "ωι", "ῲ": "ὼι", "ῴ": "ώι", "ῷ": "ῶι",
	} {
		for _, r := range from {
			all[r] = to
		}
	}
	return all
}()
