// Package nfkc folds text to Unicode's Normalization Form KC (UAX #15), so
// that what looks alike and was typed on other systems is the same bytes: é as
// one code point or as two, wide and narrow letters. The tables come from
// PostgreSQL, see tables.sql; of Unicode, assigned characters never change, so
// older tables only miss what is newer than they are.
package nfkc

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed tables.txt
var text string

type tables struct {
	decomposed map[rune][]rune  // in full
	composed   map[[2]rune]rune // except for Hangul
	class      map[rune]int     // of combining marks, from 1
}

var parsed = sync.OnceValue(func() tables {
	t := tables{map[rune][]rune{}, map[[2]rune]rune{}, map[rune]int{}}
	classes := 0
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		var points []rune
		for _, word := range words[1:] {
			n, err := strconv.ParseInt(word, 16, 32)
			if err != nil {
				panic(err) // it is the program's own
			}
			points = append(points, rune(n))
		}
		switch words[0] {
		case "d":
			t.decomposed[points[0]] = points[1:]
		case "c":
			t.composed[[2]rune(points)] = points[2]
		case "o":
			classes++
			for _, mark := range points {
				t.class[mark] = classes
			}
		}
	}
	return t
})

// Fold is s in form KC; text that is not UTF-8 stays as it is. It is never
// longer than 18 times as many code points.
func Fold(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) || !utf8.ValidString(s) {
		return s
	}
	t := parsed()
	return string(t.compose(t.decompose(s)))
}

// decompose takes every character apart and puts the combining marks behind
// each other character in the order of their classes.
func (t tables) decompose(s string) []rune {
	points := make([]rune, 0, len(s))
	for _, c := range s {
		switch parts := t.decomposed[c]; {
		case hangulSyllable(c):
			points = appendJamo(points, c)
		case parts != nil:
			points = append(points, parts...)
		default:
			points = append(points, c)
		}
	}
	for from := 0; from < len(points); from++ {
		to := from
		for to < len(points) && t.class[points[to]] > 0 {
			to++
		}
		slices.SortStableFunc(points[from:to], func(a, b rune) int { return t.class[a] - t.class[b] })
		from = to
	}
	return points
}

// compose joins each character with the starter before it, where a composite
// is and no mark of the same class or a higher one stands between. It writes
// over what it has read.
func (t tables) compose(points []rune) []rune {
	starter, last, out := -1, 0, points[:0]
	for _, c := range points {
		class := t.class[c]
		// Nothing lies between, or only marks of lower classes.
		if starter >= 0 && (starter == len(out)-1 || 0 < last && last < class) {
			if composite, ok := t.pair(out[starter], c); ok {
				out[starter] = composite
				continue
			}
		}
		if last = class; class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

func (t tables) pair(a, b rune) (rune, bool) {
	if c, ok := hangulPair(a, b); ok {
		return c, true
	}
	c, ok := t.composed[[2]rune{a, b}]
	return c, ok
}

// Hangul syllables are composed of a leading consonant, a vowel, and perhaps a
// trailing consonant, by arithmetic (The Unicode Standard, section 3.12).
const (
	syllables, leads, vowels, trails = 0xAC00, 0x1100, 0x1161, 0x11A7
	leadCount, vowelCount            = 19, 21
	trailCount                       = 28 // the first is none
	syllableCount                    = leadCount * vowelCount * trailCount
)

func hangulSyllable(c rune) bool { return c >= syllables && c < syllables+syllableCount }

func appendJamo(points []rune, c rune) []rune {
	n := c - syllables
	points = append(points, leads+n/(vowelCount*trailCount), vowels+n/trailCount%vowelCount)
	if trail := n % trailCount; trail > 0 {
		points = append(points, trails+trail)
	}
	return points
}

func hangulPair(a, b rune) (rune, bool) {
	switch {
	case a >= leads && a < leads+leadCount && b >= vowels && b < vowels+vowelCount:
		return syllables + ((a-leads)*vowelCount+b-vowels)*trailCount, true
	case hangulSyllable(a) && (a-syllables)%trailCount == 0 && b > trails && b < trails+trailCount:
		return a + b - trails, true
	}
	return 0, false
}
