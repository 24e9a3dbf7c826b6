package nfkc_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"homebase/auth/internal/nfkc"
	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
)

// assigned reports whether the tables' version of Unicode has a character, or
// a newer one has and it folds to itself.
func assigned(c rune) bool {
	return unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C) && (c < 0x1E030 || c > 0x1E06D)
}

func TestFold_EveryCharacterIsFoldedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	want := map[rune]string{}
	_, err := db.All(t.Context(), dbtest.New(t), func(row pgx.Row) (_ struct{}, err error) {
		var c rune
		var folded string
		err = row.Scan(&c, &folded)
		want[c] = folded
		return struct{}{}, err
	}, `SELECT n, normalize(chr(n), NFKC) FROM generate_series(1, 1114111) AS n
	     WHERE n NOT BETWEEN 55296 AND 57343 AND normalize(chr(n), NFKC) <> chr(n)`)
	if err != nil || len(want) < 4000 {
		t.Fatalf("%d characters are folded: %v", len(want), err)
	}
	wrong := 0
	for c := rune(0); c <= unicode.MaxRune; c++ {
		expected := string(c)
		if folded, ok := want[c]; ok {
			expected = folded
		}
		if got := nfkc.Fold(string(c)); utf8.ValidRune(c) && got != expected && assigned(c) && wrong < 20 {
			wrong++
			t.Errorf("%U: got %+q, want %+q", c, got, expected)
		}
	}
}

func TestFold_SequencesAreFoldedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(15, 14))
	var marks, others, hangul []rune
	for c := rune(1); c <= unicode.MaxRune; c++ {
		switch {
		case !assigned(c) || !utf8.ValidRune(c) || unicode.Is(unicode.Co, c):
		case c >= 0x1100 && c < 0x1200, c >= 0xAC00 && c < 0xD7B0:
			hangul = append(hangul, c)
		case unicode.Is(unicode.M, c):
			marks = append(marks, c)
		case nfkc.Fold(string(c)) != string(c) || c < 0x600:
			others = append(others, c)
		}
	}
	sequences := []string{"A\u030A\u0323", "\u1100\u1161\u11A8", "\u0344", "a\u0345\u0334\u0301", "q\u0307\u0323", "\u0915\u093C", "\uAC00\u11A8"}
	for range 30_000 {
		var s strings.Builder
		from := others
		for range 1 + random.IntN(10) {
			switch random.IntN(6) {
			case 0:
				from = hangul
			case 1:
				from = others
			case 2:
				from = marks[:112] // those that compose with letters
			default:
				from = marks
			}
			s.WriteRune(from[random.IntN(len(from))])
		}
		sequences = append(sequences, s.String())
	}
	folded, err := db.All(t.Context(), dbtest.New(t), db.Value[string], `
		SELECT normalize(s, NFKC) FROM unnest($1::text[]) WITH ORDINALITY AS n (s, at) ORDER BY at`, sequences)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, s := range sequences {
		if got := nfkc.Fold(s); got != folded[i] && wrong < 20 {
			wrong++
			t.Errorf("%+q: got %+q, want %+q", s, got, folded[i])
		}
		if again := nfkc.Fold(folded[i]); again != folded[i] {
			t.Errorf("%+q is folded again, to %+q", folded[i], again)
		}
	}
}

func TestFold_LeavesWhatIsNoTextAndWhatIsFolded(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", "\xff\u0301", "a\x00b", "größer", "ὀδυσσεύς"} {
		if got := nfkc.Fold(s); got != s {
			t.Errorf("%+q became %+q", s, got)
		}
	}
	if n := utf8.RuneCountInString(nfkc.Fold(strings.Repeat("\uFDFA", 100))); n != 1800 {
		t.Errorf("the longest expansion has %d characters for 100", n)
	}
}
