/*
 * base/log.h - the program's own log: one line an event, levelled, to standard error.
 *
 * Any thread may log; a line is written with one write. Format:
 * `2026-11-23T02:17:38.123Z WARN broker: text`. The area is the folder or part that speaks.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

typedef enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } log_level;

/* Messages below the level are dropped; default LOG_INFO. */
void log_set_level(log_level level);

/* Writes one line; use the macros below. */
void log_write(log_level level, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(area, ...) log_write(LOG_DEBUG, (area), __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, (area), __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_WARN, (area), __VA_ARGS__)
#define log_error(area, ...) log_write(LOG_ERROR, (area), __VA_ARGS__)

#endif
