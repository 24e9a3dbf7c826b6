package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseSpan reads whole days as "30d", or a Go duration that is not negative.
func ParseSpan(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(v); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a time span such as 30d, 24h or 90m", v)
}

var units = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads "10GiB", "500MB" or plain bytes.
func ParseSize(v string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(v, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || int64(n) > (1<<63-1)/u.size {
			break
		}
		return int64(n) * u.size, nil
	}
	return 0, fmt.Errorf("%q is not a size such as 10GiB, 500MB or a number of bytes", v)
}

// Count is a number with its noun: "1 entry", "2 entries".
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
