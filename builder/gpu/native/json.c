#include "json.h"

#include <stdio.h>

static int follows;

static void quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char sign = (unsigned char)*text;

		if (sign == '"' || sign == '\\')
			putchar('\\');
		if (sign < 32)
			printf("\\u%04x", sign);
		else
			putchar(sign);
	}
	putchar('"');
}

static void begin(const char *key)
{
	if (follows)
		putchar(',');
	follows = 1;
	if (key) {
		quoted(key);
		putchar(':');
	}
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	follows = 0;
}

void json_close(char bracket)
{
	putchar(bracket);
	follows = 1;
}

void json_text(const char *key, const char *text)
{
	begin(key);
	quoted(text);
}

void json_number(const char *key, long long number)
{
	begin(key);
	printf("%lld", number);
}

void json_truth(const char *key, int truth)
{
	begin(key);
	printf("%s", truth < 0 ? "null" : truth ? "true" : "false");
}
