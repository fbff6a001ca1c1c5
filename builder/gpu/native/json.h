/* Writes one JSON document to stdout, in the order of the calls. A key of NULL stands in a list. */
#ifndef TEMPER_JSON_H
#define TEMPER_JSON_H

void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_text(const char *key, const char *text);
void json_number(const char *key, long long number);
/* True, false, or null where it isn't known (negative). */
void json_truth(const char *key, int truth);

#endif
